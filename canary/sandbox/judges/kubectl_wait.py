"""What `kubectl wait --for=condition=…` makes of an object.

Source: https://github.com/kubernetes/kubectl/blob/master/pkg/cmd/wait/condition.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def ends(obj: Mapping[str, Any], condition: str, value: str = "True") -> bool:
    """Whether the wait is over: the first condition of that name has the value, for the newest generation."""
    status = obj.get("status") or {}
    generation = obj.get("metadata", {}).get("generation")
    for found in status.get("conditions") or ():
        if found.get("type", "").casefold() != condition.casefold() or "status" not in found:
            continue
        observed = found.get("observedGeneration", status.get("observedGeneration"))
        if generation is not None and observed is not None and observed < generation:
            return False
        return bool(found["status"].casefold() == value.casefold())
    return False
