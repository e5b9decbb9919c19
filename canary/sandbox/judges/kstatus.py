"""What Flux makes of an object: the rules of kstatus for a kind that it does not know.

Source: https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md and `status.Compute` beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    TERMINATING = "Terminating"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    CURRENT = "Current"


class Unreadable(Exception):
    """A field has a type with which kstatus gives up; Flux then reports an error."""


def compute(obj: Mapping[str, Any]) -> Status:
    """The status by deletion, generation, the abnormal conditions in their order, and Ready. Raises `Unreadable`."""
    metadata, status = obj.get("metadata", {}), obj.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return Status.TERMINATING
    generation, observed = _integer(metadata, "generation"), _integer(status, "observedGeneration")
    if generation is not None and observed is not None and generation != observed:
        return Status.IN_PROGRESS
    conditions = status.get("conditions") or ()
    for condition in conditions:
        match condition.get("type"), condition.get("status"):
            case "Reconciling", "True":
                return Status.IN_PROGRESS
            case "Stalled", "True":
                return Status.FAILED
    ready = next((c.get("status") for c in conditions if c.get("type") == "Ready"), None)
    # Without any condition that it knows, kstatus takes an object for finished.
    return Status.CURRENT if ready in ("True", None) else Status.IN_PROGRESS


def _integer(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise Unreadable(f"{name} must be an integer, not {value!r}")
