"""One workload's reading, from what the proxies of its pods answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Literal, NamedTuple

from canary.core.window import Missing, Sample, SideReading
from canary.metrics.prometheus.histogram import buckets, quantiles
from canary.metrics.proxies.baselines import Baseline, Known, Member
from canary.metrics.proxies.counts import Growth, Reader
from canary.metrics.source import NO_REQUESTS, NO_SERIES

Heard = Baseline | Missing
"""What one read of a pod gave."""


class Told(NamedTuple):
    """A workload's reading, and since when it counts, monotonic seconds: infinity where it counts nothing."""

    reading: SideReading
    since: float = inf


class _Pod(NamedTuple):
    """One pod within a call: what was known before, what was heard now, and whether it is new to the asker."""

    member: Member
    heard: Heard
    before: Baseline | None
    new: bool


def tell(name: str, heard: Mapping[str, Heard], known: Known, reader: Reader, unit: Literal["s", "ms"] | None) -> Told:
    """The reading of a workload whose pods, by uid, are `heard`; `known` is brought up to it.

    A pod that is new has no window yet and adds nothing. Any other one whose counts are unknown makes the workload's
    unknown: the rest would be taken for all. Then the baselines stay, and the next window has these counts, too.
    """
    pods = [_pod(Member(name, uid), one, known) for uid, one in heard.items()]
    told = _told(pods, reader, unit)
    for pod in pods:
        if isinstance(pod.heard, Baseline) and (pod.before is None or told.since < inf):
            known.members[pod.member] = pod.heard
    return told


def _pod(member: Member, heard: Heard, known: Known) -> _Pod:
    new = member not in known.members
    return _Pod(member, heard, known.members.setdefault(member, None), new)


def _told(pods: Sequence[_Pod], reader: Reader, unit: Literal["s", "ms"] | None) -> Told:
    if not pods:
        return Told(NO_SERIES)
    grown: list[Growth] = []
    since = inf
    for pod in pods:
        if isinstance(pod.heard, Baseline) and pod.before is not None:
            if pod.heard.at <= pod.before.at:
                return Told(_OVERTAKEN)
            grown.append(reader.growth(pod.before.counts, pod.heard.counts))
            since = min(since, pod.before.at)
        elif not pod.new:
            return Told(pod.heard if isinstance(pod.heard, Missing) else _FIRST)
    if not grown:
        failed = (pod.heard for pod in pods if isinstance(pod.heard, Missing))
        return Told(next(failed, _FIRST))
    return Told(_sum(grown, unit), since)


_OVERTAKEN = Missing("a later read of its proxies ended before this one")
_FIRST = Missing("the first answer of its proxies: what they counted is known from the next one on")


def _sum(grown: Sequence[Growth], unit: Literal["s", "ms"] | None) -> SideReading:
    success, failure = sum(each.success for each in grown), sum(each.failure for each in grown)
    if not success + failure:
        return NO_REQUESTS
    timed = [each for each in grown if each.within]
    if unit is None or not timed:
        return Sample(success, failure)
    # Cumulative counts can be added where the bounds are the same, whatever lies between them.
    bounds = frozenset.intersection(*(each.bounds for each in timed))
    histogram = buckets(((str(le), sum(each.within.get(le, 0.0) for each in timed)) for le in bounds), unit)
    return Sample(success, failure, quantiles(histogram), histogram)
