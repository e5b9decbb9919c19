"""What each asker was told of each pod of each workload.

An asker is (namespace, kind, seconds): two of them that read the same pod have their own baselines, so that neither
takes counts away from the other; nor do two workloads that share a pod, as Services may. What a workload was told is
where its next window begins, pod by pod: nothing is told twice, and what could not be told is told later.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from canary.metrics.proxies.counts import Counts

KEPT_WINDOWS = 3
"""Windows for which a baseline is kept: older counts would be of a time that nobody asks about."""


class Asker(NamedTuple):
    namespace: str
    kind: str
    seconds: int


class Member(NamedTuple):
    """A pod of a workload."""

    workload: str
    uid: str


class Baseline(NamedTuple):
    """What a pod had counted when it was read, which was not before `at`, monotonic seconds."""

    counts: Counts
    at: float


@dataclass(slots=True)
class Known:
    """What one asker knows. A member that is known and has no baseline was read in vain, or too long ago."""

    asked_at: float
    members: dict[Member, Baseline | None] = field(default_factory=dict)


class Baselines:
    """Forgets askers who do not ask any more, and pods that they do not ask about any more."""

    def __init__(self) -> None:
        self._askers: dict[Asker, Known] = {}

    def of(self, asker: Asker, now: float, members: Collection[Member]) -> Known:
        """What `asker` knows of `members`, at `now` in monotonic seconds; all others are forgotten."""
        for other in [other for other, known in self._askers.items() if _stale(other, known.asked_at, now)]:
            del self._askers[other]
        known = self._askers.setdefault(asker, Known(now))
        known.asked_at = now
        for member, baseline in tuple(known.members.items()):
            if member not in members:
                del known.members[member]
            elif baseline is not None and _stale(asker, baseline.at, now):
                known.members[member] = None
        return known

    def __len__(self) -> int:
        """How many members are known, over all askers."""
        return sum(len(known.members) for known in self._askers.values())


def _stale(asker: Asker, at: float, now: float) -> bool:
    return now - at > KEPT_WINDOWS * asker.seconds
