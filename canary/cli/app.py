"""All commands. Each imports what it needs when it runs: help and completion must not wait for a Kubernetes client."""

from __future__ import annotations

# Their order is that of the help.
from canary.cli import commands, local, offline, past, servers  # noqa: F401
from canary.cli.registry import app

__all__ = ["app"]
