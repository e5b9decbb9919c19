"""S11 and S25 of replicas: no side is starved that has traffic, had it a moment ago, or may get it back."""

from __future__ import annotations

from canary.core.phases import Phase
from canary.sandbox.oracle.log import FASTEST, FRESH, REQUEST, Broken, Write, annotations_of
from canary.sandbox.oracle.workload import Moment, Workload, replicas_of, trailing
from canary.workload.autoscaling import PAUSED_REPLICAS

CLOSED = frozenset({Phase.IDLE, Phase.PROMOTED, Phase.ROLLED_BACK})
LOWERING = CLOSED | {Phase.INITIALIZING, Phase.ROLLING_BACK, Phase.PROGRESSING}


RAISING = frozenset({Phase.PROGRESSING, Phase.PROMOTING})
"""In Promoting the canary still has its traffic: pods that somebody has taken away come back."""


def judge_scale(w: Workload, write: Write) -> Broken:
    """A write of a Deployment's replicas by a controller."""
    if write.plural == "scaledobjects":
        yield from _pause(w, write)
    if write.plural != "deployments" or write.old is None:
        return
    before, after = replicas_of(write.old), replicas_of(write.new)
    if write.name == w.target and write.new is not None and before != after:
        yield from _candidate(w, write, before, after)
    elif write.name == w.stable and write.new is not None and after < before:
        yield from _stable(w, before, after)


def _pause(w: Workload, write: Write) -> Broken:
    """KEDA takes the target's pods away: so it may not be told to under any state that gives them traffic."""
    if write.new is None or PAUSED_REPLICAS not in annotations_of(write.new):
        return
    if PAUSED_REPLICAS in annotations_of(write.old):
        return
    if w.now.share:
        yield "S11", f"{write.name} is paused while the target has {w.now.share}%"
    moments = w.since(("scaledobjects", write.name))
    if not any(_permits_lowering(moment) and moment.phase not in RAISING for moment in moments):
        yield "S25", f"{write.name} is paused in {moments[-1].phase or 'no phase'}"


def _candidate(w: Workload, write: Write, before: int, after: int) -> Broken:
    moments = w.since(("deployments", w.target))
    if after > before:
        if not any(moment.deleting or moment.phase in RAISING for moment in moments):
            yield "S25", f"the target was scaled {before} -> {after} in {moments[-1].phase}"
        return
    share = w.now.share
    if share and not _edited_meanwhile(w, write, moments) and not _set_back(w, write, moments, after):
        yield "S11", f"the target was scaled {before} -> {after} while it has {share}%"
    if not any(_permits_lowering(moment) for moment in moments):
        yield "S25", f"the target was scaled {before} -> {after} in {moments[-1].phase or 'no phase'}"
    since, slack = w.drained_since(_unheard(write, moments)), FASTEST if w.skewed else 1.0
    if since and write.monotonic < since + w.settle / slack - 0.5:
        yield "S11", f"the target was scaled {before} -> {after} {write.monotonic - since:.2f} s after it had traffic"
    if after == 0:
        yield from _emptied(w, write)


def _unheard(write: Write, moments: list[Moment]) -> set[int]:
    """Moments in which somebody else had given the target a share after the write may have been decided."""
    return {
        moment.number
        for moment in moments[1:]
        if moment.share and _by_others(moment) and write.monotonic - moment.at < REQUEST
    }


def _by_others(moment: Moment) -> bool:
    """No controller has given the target the share that it has."""
    return moment.state is None or not moment.state.weight


def _edited_meanwhile(w: Workload, write: Write, moments: list[Moment]) -> bool:
    """Somebody else gave the target its share after the write was decided: no version of the Deployment tells that."""
    return _by_others(w.now) and _shared_meanwhile(write, moments)


def _set_back(w: Workload, write: Write, moments: list[Moment], after: int) -> bool:
    """Somebody else had scaled the target, and this gives it the size back that it was raised on, a moment ago."""
    return after == w.sized and _shared_meanwhile(write, moments)


def _shared_meanwhile(write: Write, moments: list[Moment]) -> bool:
    """The write may have been decided before the target had a share."""
    since = trailing(moments, lambda moment: moment.share)
    return 0 < len(since) < len(moments) and write.monotonic - since[0].at < REQUEST


def _permits_lowering(moment: Moment) -> bool:
    state = moment.state
    return state is not None and not moment.deleting and state.phase in LOWERING and not state.weight


def _emptied(w: Workload, write: Write) -> Broken:
    root, backend = w.service(w.root), w.backends[0]
    seen_by_all = w.pointed <= write.monotonic - w.blind
    if root is not None and w.selects(root) == w.target and seen_by_all:
        yield "S11", "the target was scaled to 0 while the root Service selects it"
    if w.endpoints.gone(backend, write.monotonic, max(FRESH, w.blind)) and w.endpoints.ready(w.backends[1]):
        yield "S11", "the target was scaled to 0 while stable has no ready endpoint"


def _stable(w: Workload, before: int, after: int) -> Broken:
    moments = w.since(("deployments", w.stable))
    if after == 0:
        yield "S11", "stable was scaled to 0"
    elif not any(moment.state is None or moment.state.phase in CLOSED for moment in moments):
        yield "S11", f"stable was scaled {before} -> {after} in {moments[-1].phase}: all traffic may come back"
