"""Plays a plan on what was recorded of a past release, with the decision itself.

Second 0 of the play is such that the first weight comes when the recorded canary had its first request: the pods are
ready so long before it as the warm-up takes. From then on the play has its own weights, and the record its own. What a
side answered is taken as recorded; where the plan's weight is another than the recorded one, a side gets a part of its
requests where it would have had fewer, and those that there are where it would have had more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from canary.api.duration import format_duration
from canary.core.plan import Limit, Plan
from canary.core.verdict import Judged, Pool, Verdict, judge
from canary.core.window import Reading, Sample, SideReading, Sides, Window
from canary.metrics.groups import PROBE_AFTER
from canary.simulate.history.record import HistoryError, Record, Track, Tracks, rfc3339
from canary.simulate.history.seen import Level, levels
from canary.simulate.history.thinning import Pick, requests_of, same_weight, shares, thinned
from canary.simulate.play import Outcome, Played, play

MOST_WINDOWS = 20_000


class Looked(NamedTuple):
    """One window of the play, in seconds of it: what it had, what was made of it, and what share was recorded.

    `weight` is the plan's at its end, `seen` the recorded weight or share of requests; both are percent.
    """

    start: float
    end: float
    weight: int
    sides: Sides
    judged: Judged | None
    seen: float | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """`epoch` is the Unix time of second 0, `served` from when to when the recorded canary had requests.

    `seen` are the weights that the record shows. `later` is the first breached window of the record after the play has
    promoted the release. `thinned` says that some counts are less than the recorded ones, `short` that at some weight
    of the plan there were fewer than it would have had.
    """

    record: Record
    epoch: float
    served: tuple[float, float]
    played: Played
    windows: tuple[Looked, ...]
    seen: tuple[Level, ...]
    later: Looked | None
    thinned: bool
    short: bool

    @property
    def first_bad(self) -> Looked | None:
        """The first window that was judged a breach."""
        return next(filter(_breached, self.windows), None)

    @property
    def detected_after(self) -> float | None:
        """Seconds from the begin of the first breached window until the weight was 0; `None` without a rollback."""
        bad = self.first_bad
        return self.played.seconds - bad.start if bad and self.played.outcome is Outcome.ROLLED_BACK else None


def replay(plan: Plan, record: Record, pick: Pick | None) -> Replayed:
    """What the plan would have decided. Without a `pick` all counts are as recorded.

    Raises `HistoryError` for a record that this plan cannot be played on.
    """
    served = record.whole.canary.served
    if served is None:
        raise HistoryError(f"the canary answered no request in {record.title}")
    _refuse_unreadable(plan, record)
    answered = min(plan.interval, PROBE_AFTER)
    lead = max(plan.warmup, answered)
    epoch = served[0] - lead
    horizon = served[1] - epoch
    if horizon / plan.interval > MOST_WINDOWS:
        raise HistoryError(
            f"the canary was recorded from {rfc3339(served[0])} to {rfc3339(served[1])}, which is more than "
            f"{MOST_WINDOWS} windows of {format_duration(plan.interval)}: choose a shorter time with --range"
        )
    source = _Recorded(record, epoch, pick)
    looked: list[Looked] = []

    def watch(weight: int, reading: Reading, judged: Judged | None) -> None:
        if isinstance(reading, Window):
            looked.append(Looked(reading.start, reading.end, weight, reading.seen_by(None), judged, source.seen))

    # One window ends where the first weight comes, so that whole windows follow, whatever the warm-up.
    delay = (lead - answered) % plan.interval
    played = play(plan, source, horizon=horizon, delay=delay, epoch=epoch, watch=watch)
    rest = tuple(_as_recorded(plan, record, epoch, lead, horizon))
    later = None
    if played.outcome is Outcome.PROMOTED:
        later = next((each for each in rest if each.start >= played.seconds and _breached(each)), None)
    seen = levels((epoch + each.start, each.seen) for each in rest if each.seen is not None)
    return Replayed(record, epoch, served, played, tuple(looked), seen, later, source.thinned, source.short)


def _as_recorded(plan: Plan, record: Record, epoch: float, start: float, horizon: float) -> Iterator[Looked]:
    """Each window of the record by itself, judged by the plain limits."""
    limits = (msgspec.structs.replace(each, tolerance=None, sequential=False, sample=0.0) for each in plan.limits)
    plan, source = msgspec.structs.replace(plan, limits=tuple(limits)), _Recorded(record, epoch, None)
    while start + plan.interval <= horizon:
        window = source(start, start + plan.interval, 100)
        yield Looked(start, start + plan.interval, 100, window.seen_by(None), judge(plan, window, Pool()), source.seen)
        start += plan.interval


def _breached(looked: Looked) -> bool:
    return looked.judged is not None and looked.judged.verdict is Verdict.BREACH


def _refuse_unreadable(plan: Plan, record: Record) -> None:
    """Raises `HistoryError` for what this plan asks of a window, and no window of the record has."""
    if plan.interval < 0.99 * record.looks * record.step:
        looks = "one look" if record.looks == 1 else f"{record.looks} looks"
        raise HistoryError(
            f"analysis.interval is {format_duration(plan.interval)}, and a window needs {looks} at the counters, which "
            f"were recorded each {format_duration(record.step)}: record more often, or replay a copy of the Canary "
            "with a longer interval"
        )
    for limit in plan.limits:
        lacks = _lacks(limit, record)
        if lacks:
            raise HistoryError(
                f"metric {limit.name} cannot be read: the record {lacks}; leave it out with --without {limit.name}"
            )


def _lacks(limit: Limit, record: Record) -> str:
    if limit.peer is not None and limit.peer not in record.edges:
        return "does not say who sent a request, which `from` asks for"
    tracks = record.whole if limit.peer is None else record.edges[limit.peer]
    for track in tracks if limit.tolerance is not None else tracks[:1]:
        samples = [stretch.reading for stretch in track.stretches if isinstance(stretch.reading, Sample)]
        if track is not tracks.canary and not samples:
            return "has nothing of stable, which `compare` asks for"
        if limit.quantile and not any(limit.quantile in sample.latency or sample.histogram for sample in samples):
            return f"has no {limit.quantile} latency of {_the(track)}"
        if limit.slower_than and not any(sample.histogram for sample in samples):
            return f"has no histogram of {_the(track)}, which `slowerThan` needs"
    return ""


def _the(track: Track) -> str:
    return f"the {track.name}" if track.name == "canary" else track.name


class _Recorded:
    """The source of the play.

    `seen` is the recorded weight of the last stretch that was asked for, in percent. `thinned` says that some counts
    are not as recorded, `short` that some should have been more.
    """

    def __init__(self, record: Record, epoch: float, pick: Pick | None) -> None:
        self._record, self._epoch, self._pick = record, epoch, pick
        self.thinned = self.short = False
        self.seen: float | None = None
        self._share: float | None = None

    def __call__(self, start: float, end: float, weight: int) -> Window:
        sides, since = self._between(self._record.whole, start, end)
        recorded = self._weight(sides, end)
        self.seen = None if recorded is None else 100.0 * recorded
        # Where stable is not known for a while, the share has hardly changed.
        self._share = recorded if recorded is not None else self._share
        keep = self._keep(sides, weight / 100.0, self._share)
        edges = {}
        for peer, tracks in self._record.edges.items():
            edge, reached = self._between(tracks, start, end)
            edges[peer] = self._thinned(edge, keep, f"{peer.kind} {peer.name}")
            since = min(since, reached)
        return Window(since, end, self._epoch + end, *self._thinned(sides, keep), edges)

    def _between(self, tracks: Tracks, start: float, end: float) -> tuple[Sides, float]:
        canary, stable = (track.between(self._epoch + start, self._epoch + end) for track in tracks)
        reached = min(canary.since, stable.since) - self._epoch
        return Sides(canary.reading, stable.reading), min(start, reached)

    def _weight(self, sides: Sides, end: float) -> float | None:
        """From 0.0 to 1.0: what somebody recorded, else the share of requests."""
        stated = self._record.weight_at(self._epoch + end)
        if stated is not None:
            return stated / 100.0
        canary, stable = map(requests_of, sides)
        if canary is None or stable is None or canary + stable <= 0:
            return None
        return canary / (canary + stable)

    def _keep(self, sides: Sides, weight: float, recorded: float | None) -> tuple[float, float]:
        canary, stable = map(requests_of, sides)
        if recorded is None or self._same(weight, recorded, canary, stable):
            return 1.0, 1.0
        self.short = self.short or (recorded < weight and weight > 0)
        return shares(weight, recorded)

    def _same(self, weight: float, recorded: float, canary: float | None, stable: float | None) -> bool:
        if self._record.weights or canary is None or stable is None:
            return abs(weight - recorded) < 1e-9
        return same_weight(weight, canary, canary + stable)

    def _thinned(self, sides: Sides, keep: tuple[float, float], whom: str = "") -> Sides:
        if self._pick is None or keep == (1.0, 1.0):
            return sides
        self.thinned = self.thinned or any(share < 1.0 for share in keep)
        return thinned(sides, keep, self._pick, whom)


def counted(side: SideReading) -> tuple[float, float]:
    """The requests of a side, and the failed ones."""
    return (side.requests, side.failure) if isinstance(side, Sample) else (0.0, 0.0)
