"""S17 in managed mode: what a controller may write at all, and what of it."""

from __future__ import annotations

from typing import Any

from canary.api.names import GROUP
from canary.sandbox.oracle.log import Broken, Write
from canary.sandbox.oracle.workload import Workload
from canary.workload.autoscaling import PAUSED_REPLICAS

JSON = dict[str, Any]
COPIES = frozenset({
    "deployments", "services", "controllerrevisions", "horizontalpodautoscalers", "poddisruptionbudgets", "configmaps",
    "secrets", "scaledobjects",
})  # fmt: skip
"""Kinds of which there may be parts of ours."""
_SILENT = frozenset({"managedFields", "resourceVersion", "generation", "annotations"})


def judge_marks(w: Workload, write: Write) -> Broken:
    """Every write of a controller goes to a part of ours, to what we may change of the target, or of the root."""
    words = f"a controller wrote {write.plural} {write.name}"
    if write.plural not in COPIES:
        yield "S17", words
        return
    changed = changes(write.old, write.new) if write.old is not None and write.new is not None else set()
    if (write.plural, write.name) == ("deployments", w.target):
        allowed = {"spec.replicas", *(["spec.template"] if w.now.deleting else [])}
        if write.old is None or write.new is None or not _ours(changed, allowed):
            yield "S17", f"{words}, the target: {sorted(changed)}"
        return
    if (write.plural, write.name) == ("services", w.root) and write.old is not None and not w.owned(write.old):
        if write.new is None or not _ours(changed, {"spec.selector"}):
            yield "S17", f"{words}, the root Service: {sorted(changed)}"
        return
    if write.plural == "scaledobjects" and write.old is not None and write.new is not None and not w.owned(write.old):
        if not _ours(changed, {f"annotations.{PAUSED_REPLICAS}"}):
            yield "S17", f"{words}, the user's: {sorted(changed)}"
        return
    if write.old is not None and not (w.owned(write.old) or w.left(write.old)):
        yield "S17", f"{words}, which is not of this Canary"
    elif write.new is not None and not w.owned(write.new) and not w.now.deleting:
        yield "S17", f"{words} without the Canary's mark"


def _ours(changed: set[str], allowed: set[str]) -> bool:
    return all(path in allowed or path.startswith(f"annotations.{GROUP}/") for path in changed)


def changes(old: JSON, new: JSON) -> set[str]:
    """The fields that differ: `spec.replicas`, `labels`, `annotations.<key>`, `status`."""
    found = {f"spec.{key}" for key in _differing(old.get("spec") or {}, new.get("spec") or {})}
    before, after = old["metadata"], new["metadata"]
    found |= {key for key in _differing(before, after) if key not in _SILENT}
    notes = _differing(before.get("annotations") or {}, after.get("annotations") or {})
    found |= {f"annotations.{key}" for key in notes}
    rest = _differing(old, new) - {"spec", "metadata"}
    return found | rest


def _differing(old: JSON, new: JSON) -> set[str]:
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
