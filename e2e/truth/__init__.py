"""Sequences of requests that a real API server and the embedded one must answer alike."""
