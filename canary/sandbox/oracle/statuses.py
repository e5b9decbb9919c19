"""What the Canary's status says of the split, S14, and a finalizer that goes too early, S16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.api.names import FINALIZER
from canary.sandbox.oracle.log import Broken, Write
from canary.sandbox.oracle.splits import Split


def record_in(obj: dict[str, Any] | None) -> dict[str, Any]:
    """What the status remembers; empty when it remembers nothing."""
    found: dict[str, Any] = ((obj or {}).get("status") or {}).get("record") or {}
    return found


def judge_status(write: Write, highest: int, seen: Mapping[int, frozenset[int]]) -> Broken:
    """S14. `highest` is the highest number that the split has had, `seen` the weights that it has had by number."""
    record, before = record_in(write.new), record_in(write.old)
    seq = record.get("seq", 0)
    if seq > highest:
        yield "S14", f"the status knows seq {seq}, the split has had {highest}"
    if write.subresource != "status":
        return
    if seq and seq < before.get("seq", 0):
        yield "S14", f"the status went back from seq {before['seq']} to {seq}"
    weights, weight = seen.get(seq), ((write.new or {}).get("status") or {}).get("canaryWeight")
    if weights and record != before and weight not in weights:
        yield "S14", f"the status says {weight}% at seq {seq}, the split said {sorted(weights)}"


def finalizer_went(write: Write) -> bool:
    """A deleted Canary has lost our finalizer by this write."""
    metadata = (write.new or {}).get("metadata") or {}
    had = FINALIZER in ((write.old or {}).get("metadata") or {}).get("finalizers", [])
    has = FINALIZER in metadata.get("finalizers", [])
    return had and not has and "deletionTimestamp" in ((write.new or write.old or {}).get("metadata") or {})


def judge_finalizer(write: Write, split: Split) -> Broken:
    """S16, as far as the split goes."""
    state = split.state
    if finalizer_went(write) and state is not None and state.running and state.weight:
        yield "S16", f"the finalizer went while the canary had {state.weight}%"
