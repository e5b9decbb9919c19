"""Managed mode on the real control plane: a Deployment as people have it, and what is made beside it."""
