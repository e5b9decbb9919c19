"""Whose metrics are read for the two sides: the workloads that the pods belong to."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from canary.workload.sides import PodFacts

NAMED_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


class Workloads(msgspec.Struct, frozen=True):
    """One kind and the names on either side, as a metrics source is asked for them."""

    kind: str
    stable: tuple[str, ...]
    canary: tuple[str, ...]


def workloads_of(stable: dict[str, PodFacts], canary: dict[str, PodFacts]) -> Workloads | None:
    """The workloads behind two sets of pods, by pod name; `None` when the canary has none.

    One controller on each side and both of one kind: that kind; else the pods themselves, whose numbers are summed.
    """
    if not canary:
        return None
    candidates, servers = _owners(canary.values()), _owners(stable.values())
    kinds = {kind for kind, _ in candidates | servers}
    if len(candidates) == 1 and len(servers) <= 1 and len(kinds) == 1 and kinds <= NAMED_KINDS:
        return Workloads(kinds.pop(), tuple(name for _, name in servers), tuple(name for _, name in candidates))
    return Workloads("Pod", tuple(sorted(stable)), tuple(sorted(canary)))


def workload_name(kind: str, service: str, pod: str, facts: PodFacts | None) -> str:
    """Which workload of a kind a pod behind a Service belongs to; empty for none, or when nobody has looked yet."""
    match kind.casefold():
        case "service":
            return service
        case "pod":
            return pod
        case other:
            return facts.owner if facts is not None and facts.kind.casefold() == other else ""


def _owners(facts: Iterable[PodFacts]) -> set[tuple[str, str]]:
    return {(fact.kind, fact.owner) for fact in facts}
