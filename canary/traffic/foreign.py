"""Who else writes a TrafficSplit."""

from __future__ import annotations

from collections.abc import Iterator

from canary.api.kinds import TrafficSplit
from canary.api.names import CONTROLLER_MANAGER
from canary.api.tracking import Writer, claim_on, writers_of


def backend_writers(split: TrafficSplit, ours: str = CONTROLLER_MANAGER) -> Iterator[Writer]:
    """Everyone but us who holds `spec.backends`, in the order of the object."""
    return writers_of("backends", split.metadata.managed_fields, ours)


def field_manager_of_backends(split: TrafficSplit, ours: str = CONTROLLER_MANAGER) -> Writer | None:
    """Who but us wrote `spec.backends` last; `None` when nobody else holds it."""
    return max(backend_writers(split, ours), key=lambda writer: writer.time, default=None)


def foreign_claim(split: TrafficSplit, ours: str = CONTROLLER_MANAGER) -> str | None:
    """What would put the backends back at its next sync, in words: a GitOps tool or another apply manager."""
    metadata = split.metadata
    return claim_on("backends", metadata.managed_fields, metadata.labels, metadata.annotations, ours)
