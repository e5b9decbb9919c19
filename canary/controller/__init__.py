"""Observe, decide, act: one worker per key."""
