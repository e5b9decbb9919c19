"""How a Deployment moves from one template to the next: pure arithmetic on sizes.

Source: Kubernetes, Deployments, "Rolling Update Deployment" (maxSurge rounds up, maxUnavailable rounds down, and both
being zero makes one pod unavailable).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from canary.sandbox.workloads.objects import Strategy

# Without vowels and look-alikes, so that a hash never spells a word.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: dict[str, Any]) -> str:
    """Ten characters that name a pod template; the same whatever the order of its fields."""
    digest = hashlib.sha256(msgspec.json.encode(template, order="deterministic")).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:10])


@dataclass(frozen=True, slots=True)
class Size:
    """A ReplicaSet as the arithmetic sees it: how many pods it should have and how many are available."""

    name: str
    replicas: int
    available: int


def limits(strategy: Strategy, replicas: int) -> tuple[int, int]:
    """`(surge, unavailable)`: pods above and below `replicas` that a rollout may use."""
    if strategy.type == "Recreate":
        return 0, replicas
    update = strategy.rolling_update
    surge = _share("25%" if update is None else update.max_surge, replicas, math.ceil)
    unavailable = _share("25%" if update is None else update.max_unavailable, replicas, math.floor)
    return surge, min(replicas, unavailable if surge or unavailable else 1)


def _share(value: int | str, replicas: int, rounding: Callable[[float], int]) -> int:
    text = str(value)
    return rounding(replicas * int(text[:-1]) / 100) if text.endswith("%") else int(text)


def plan(replicas: int, new: Size, old: Sequence[Size], strategy: Strategy) -> dict[str, int]:
    """The next sizes by ReplicaSet name, where they change; `old` goes from the oldest to the youngest."""
    surge, unavailable = limits(strategy, replicas)
    total = new.replicas + sum(size.replicas for size in old)
    target = _grow(replicas, new, old, total, surge, strategy)
    changes = {} if target == new.replicas else {new.name: target}
    removable = total - (replicas - unavailable) - max(0, new.replicas - new.available)
    if replicas == 0 or strategy.type == "Recreate":
        removable = total
    return changes | _shrink(old, removable, replicas - unavailable, new.available)


def _grow(replicas: int, new: Size, old: Sequence[Size], total: int, surge: int, strategy: Strategy) -> int:
    if new.replicas >= replicas:
        return replicas
    if strategy.type == "Recreate":
        return new.replicas if any(size.replicas for size in old) else replicas
    return min(replicas, new.replicas + max(0, replicas + surge - total))


def _shrink(old: Sequence[Size], removable: int, minimum: int, new_available: int) -> dict[str, int]:
    """Pods that serve nobody go first; then available ones, as far as `minimum` stay available."""
    sizes = {size.name: size.replicas for size in old}
    available = new_available + sum(size.available for size in old)
    for size in old:
        idle = max(0, min(removable, size.replicas - size.available))
        sizes[size.name] -= idle
        removable -= idle
    removable = min(removable, available - minimum)
    for size in old:
        taken = max(0, min(removable, sizes[size.name]))
        sizes[size.name] -= taken
        removable -= taken
    return {size.name: sizes[size.name] for size in old if sizes[size.name] != size.replicas}


def paused_plan(replicas: int, new: Size | None, old: Sequence[Size], strategy: Strategy) -> dict[str, int]:
    """The sizes of a Deployment that does not roll: only how many pods there are may change, not which.

    Source: Kubernetes, Deployments, "Proportional scaling".
    """
    sizes = [*([] if new is None else [new]), *reversed(old)]
    active = [size for size in sizes if size.replicas]
    if len(active) < 2:
        only = next(iter(active or sizes), None)
        return {} if only is None or only.replicas == replicas else {only.name: replicas}
    total = sum(size.replicas for size in active)
    allowed = replicas + limits(strategy, replicas)[0] if replicas else 0
    if allowed == total:
        return {}
    # The largest gets what rounding leaves over.
    active.sort(key=lambda size: -size.replicas)
    shares = {size.name: math.floor(size.replicas * allowed / total + 0.5) for size in active[1:]}
    shares[active[0].name] = max(0, allowed - sum(shares.values()))
    return {size.name: shares[size.name] for size in active if shares[size.name] != size.replicas}
