"""Managed mode: how a controller sees the user's Deployment and what belongs to a Canary, and how it writes them."""
