"""What one process remembers of one Canary, in monotonic time: settle, hold, warm-up, windows and clocks.

All of it can be lost: after a restart the remaining times are worked out once from the Unix times in the state, and
windows are collected anew. A raise therefore always rests on windows that this process saw begin.
"""

from __future__ import annotations

import msgspec

from canary.core.comparison import Enough, Shown, enough, newest, weigh
from canary.core.observed import Now, Observed, Side
from canary.core.phases import Phase
from canary.core.plan import Plan
from canary.core.scale import pods_needed
from canary.core.state import State, WriteId
from canary.core.verdict import Judged, MetricVerdict, Pool, Verdict, judge, pooled, with_stable
from canary.core.window import Missing, Reading, SideReading, SourceFailure, Window
from canary.core.workload import Selects, Workload

GONE_AFTER = 1.0
"""Seconds without a ready endpoint before a side counts as gone."""
_MAX_PENDING = 16
UNUSABLE = (Verdict.NO_DATA, Verdict.SHARED_DEGRADATION)
"""Verdicts that say nothing of the canary alone; after noData.timeout they are acted on."""


class Memory(msgspec.Struct, frozen=True):
    """All times are monotonic seconds; `None` means that the thing is not happening.

    `waits` are the settle and the warm-up, in seconds, that `settled_at` and `warm_at` were made with. Managed mode
    only: `quiet` says that since the canary's weight is 0 a window without requests to it was seen, `pointed_at` from
    when on nobody uses what the root Service selected before, `released_at` the same of a split that was removed, and
    `stable` is the revision that stable runs and since when.

    `evidence` is that of the rollout `rollout`, from windows up to `weighed_until`; `enough` that of the present step.
    """

    seen_seq: int = 0
    change: tuple[str, WriteId] | None = None
    settled_at: float = 0.0
    waits: tuple[float, float] | None = None
    hold: tuple[str, float, int, str] | None = None
    hold_until: float = 0.0
    revision: str = ""
    revision_since: float = 0.0
    warm_at: float | None = None
    gone_since: float | None = None
    waiting_since: float | None = None
    answered: bool = False
    failing_since: float | None = None
    source_reason: str = ""
    no_data_since: float | None = None
    label_since: float | None = None
    latest: Judged | None = None
    pending: tuple[Judged, ...] = ()
    pool: Pool = Pool()
    quiet: bool = False
    pointed_at: float | None = None
    released_at: float | None = None
    stable: tuple[str, float] = ("", 0.0)
    shown: tuple[MetricVerdict, ...] = ()
    rollout: tuple[str, float] = ("", 0.0)
    evidence: Shown = {}
    weighed_until: float = 0.0
    enough: Enough = Enough()

    def breach(self) -> Judged | None:
        """The newest breached window that the state has not counted yet."""
        return self.pending[-1] if self.pending else None


def trusted_state(observed: Observed, memory: Memory) -> State | None:
    """The split's state, unless it is another Canary's or older than one that is known to have existed.

    An old copy, restored from a backup or from Git, must not bring back what was decided since.
    """
    state = observed.split.state if observed.split else None
    if state is None or state.uid != observed.uid:
        return None
    return state if state.seq >= max(observed.record.seq, memory.seen_seq) else None


def left(duration: float, since: float, now: Now) -> float:
    """What is left of a duration that began at `since` (Unix seconds), never more than all of it."""
    return min(max(duration - (now.wall - since), 0.0), duration)


def remember(memory: Memory, observed: Observed, readings: tuple[Reading, ...], now: Now) -> Memory:
    """The memory after one look at the world. Looking twice at the same world changes nothing more."""
    plan = observed.plan or observed.last_plan
    state = trusted_state(observed, memory)
    if state is None or observed.split is None:
        return _without_state(memory, plan, observed, now)
    memory = msgspec.structs.replace(memory, seen_seq=state.seq, released_at=None)
    if plan is None:
        return memory
    memory = _follow_edits(memory, plan)
    memory = _follow_change(memory, plan, observed.split.uid, state, now)
    side = observed.side(state.canary or plan.canary)
    if observed.workload is None:
        memory = _follow_wait(memory, plan, state, side, now)
    memory = _follow_endpoints(memory, plan, state, side, now)
    if observed.workload is not None:
        memory = _follow_workload(memory, plan, state, observed, observed.workload, now)
    for reading in readings:
        memory = _read(memory, plan, state, reading)
    memory = _drop_counted(memory, state, now)
    memory = _follow_label(memory, plan, state, now)
    return _follow_clocks(memory, plan, state, now)


def _without_state(memory: Memory, plan: Plan | None, observed: Observed, now: Now) -> Memory:
    """Nothing is decided yet, or nothing is left to decide: only what is waited for counts."""
    waiting = memory.waiting_since if memory.waiting_since is not None else now.monotonic
    memory = msgspec.structs.replace(memory, waiting_since=None if observed.deleting else waiting)
    if not observed.deleting or observed.split is not None or observed.depends_on_stable:
        return msgspec.structs.replace(memory, released_at=None)
    if memory.released_at is not None:
        return memory
    return msgspec.structs.replace(memory, released_at=now.monotonic + (plan.settle if plan else 0.0))


def _follow_workload(memory: Memory, plan: Plan, state: State, observed: Observed, w: Workload, now: Now) -> Memory:
    """Managed mode: who selects stable, what stable runs, and whether pods are awaited."""
    pointed = memory.pointed_at
    if w.root.selects is not Selects.STABLE:
        pointed = None
    elif pointed is None:
        pointed = now.monotonic + plan.settle
    serving = observed.side(state.serving)
    stable = memory.stable if serving.revision == memory.stable[0] else (serving.revision, now.monotonic)
    since = memory.waiting_since if memory.waiting_since is not None else now.monotonic
    # Old pods go when no request comes to them: while the metrics source fails, that says nothing of the revision.
    waiting = memory.answered if state.restart else _awaits_pods(plan, state, observed, w)
    return msgspec.structs.replace(memory, pointed_at=pointed, stable=stable, waiting_since=since if waiting else None)


def _awaits_pods(plan: Plan, state: State, observed: Observed, w: Workload) -> bool:
    if state.phase is Phase.INITIALIZING:
        return True
    if state.phase is Phase.PROMOTING:
        runs = w.stable is not None and w.stable.complete and w.stable.revision == state.revision
        return not runs or observed.side(state.serving).revision != state.revision
    if state.phase is not Phase.PROGRESSING:
        return False
    return observed.side(state.canary).ready < pods_needed(plan, state, w)


def _follow_label(memory: Memory, plan: Plan, state: State, now: Now) -> Memory:
    if plan.label == state.label:
        return msgspec.structs.replace(memory, label_since=None)
    return memory if memory.label_since is not None else msgspec.structs.replace(memory, label_since=now.monotonic)


def _follow_edits(memory: Memory, plan: Plan) -> Memory:
    """An edited settle or warm-up counts from where the one before it did; a window that is early now cannot pass."""
    waits = (plan.settle, plan.warmup)
    if waits == memory.waits:
        return memory
    settle, warmup = memory.waits or waits
    settled_at = memory.settled_at + plan.settle - settle
    warm_at = None if memory.warm_at is None else memory.warm_at + plan.warmup - warmup
    early = memory.latest is not None and memory.latest.start < max(settled_at, warm_at or settled_at)
    return msgspec.structs.replace(
        memory, waits=waits, settled_at=settled_at, warm_at=warm_at, latest=None if early else memory.latest
    )


def _follow_change(memory: Memory, plan: Plan, uid: str, state: State, now: Now) -> Memory:
    rollout = (state.revision, state.started)
    if rollout != memory.rollout:
        # The verdicts on an earlier revision say nothing of this one, nor does how long its pods were waited for.
        memory = msgspec.structs.replace(memory, rollout=rollout, shown=(), evidence={}, waiting_since=None)
    if state.evidence and state.running:
        memory = msgspec.structs.replace(memory, evidence=newest(memory.evidence, state.evidence))
    change = (uid, state.change)
    if change != memory.change:
        # `moved` is when the write was decided, which may have been well before it came to pass. Only who has seen no
        # earlier change must take it from there.
        settle = left(plan.settle, state.moved, now) if memory.change is None else plan.settle
        memory = msgspec.structs.replace(
            memory,
            change=change,
            settled_at=now.monotonic + settle,
            latest=None,
            pending=(),
            no_data_since=None,
            quiet=False,
        )
    hold = (uid, state.since, state.step, state.plan)
    if hold != memory.hold:
        duration = plan.stage(state.step).hold
        same_hold = memory.hold is not None and memory.hold[:2] == hold[:2]
        memory = msgspec.structs.replace(
            memory,
            hold=hold,
            hold_until=now.monotonic + left(duration, state.since, now),
            pool=memory.pool if same_hold else Pool(),
            enough=memory.enough if same_hold else Enough(),
        )
    return memory


def _follow_wait(memory: Memory, plan: Plan, state: State, side: Side, now: Now) -> Memory:
    """Services mode: whether the canary is awaited, by what was remembered of it before this look."""
    waiting = side.gone and not (state.running and state.weight) and side.service != state.serving
    if not waiting:
        return msgspec.structs.replace(memory, waiting_since=None)
    if memory.waiting_since is not None:
        return memory
    # After a loss the wait began when the weight fell, so a restart does not start the deadline again.
    lost = state.running and state.lost and memory.warm_at is None
    waited = plan.deadline - left(plan.deadline, state.moved, now) if lost else 0.0
    return msgspec.structs.replace(memory, waiting_since=now.monotonic - waited)


def _gone_since(memory: Memory, state: State, side: Side, now: Now) -> float | None:
    """Since when the canary has had weight and no endpoint: not before this process saw both, and could have seen more.

    Another process may have raised on endpoints that a watch which is closed has not told this one of.
    """
    if not side.known:
        return memory.gone_since
    if not (side.gone and state.running and state.weight):
        return None
    if memory.gone_since is None and side.watched:
        return now.monotonic
    return memory.gone_since


def _follow_endpoints(memory: Memory, plan: Plan, state: State, side: Side, now: Now) -> Memory:
    changes: dict[str, object] = {"gone_since": _gone_since(memory, state, side, now)}
    unknown = not side.known or (side.ready > 0 and side.hashes is None)
    if side.revision != memory.revision and not unknown:
        changes |= {"revision": side.revision, "revision_since": now.monotonic}
    if side.gone:
        changes["warm_at"] = None
    elif side.known and (memory.warm_at is None or changes.get("revision")):
        began = now.wall if side.ready_at is None else side.ready_at
        changes["warm_at"] = now.monotonic + left(plan.warmup, began, now)
    return msgspec.structs.replace(memory, **changes)


def _read(memory: Memory, plan: Plan, state: State, reading: Reading) -> Memory:
    if isinstance(reading, SourceFailure):
        since = memory.failing_since if memory.failing_since is not None else reading.at
        return msgspec.structs.replace(
            memory, answered=False, failing_since=since, source_reason=reading.reason, latest=None
        )
    memory = msgspec.structs.replace(memory, answered=True, failing_since=None, source_reason="")
    if state.weight == 0 and reading.start >= memory.settled_at:
        memory = msgspec.structs.replace(memory, quiet=_silent(reading.canary))
    if not _judges(state) or not _whole(memory, state, reading):
        return memory
    if state.phase is Phase.PROMOTING:
        plan = plan.plain
    together = _promoted_on_both_sides(memory, state, reading)
    warm = memory.warm_at is not None and reading.start >= memory.warm_at
    if warm:
        memory = _weigh(memory, plan, reading, together=together)
    judged = judge(plan, reading, memory.pool, memory.evidence)
    if together:
        judged = with_stable(plan, reading, judged)
    if not warm:
        # Within warm-up only rollbackAt judges, and nothing passes.
        return _append(memory, judged) if judged.severe else memory
    breached = judged.verdict is Verdict.BREACH
    # A breach starts the hold again, and its bad requests must not make breaches of the clean windows after it; nor
    # must those of an outage that stable had as well.
    shared = judged.verdict is Verdict.SHARED_DEGRADATION
    pool = Pool() if breached else memory.pool if shared else pooled(plan, reading, memory.pool)
    memory = msgspec.structs.replace(memory, latest=judged, shown=judged.metrics, pool=pool)
    return _append(memory, judged) if breached else memory


def _weigh(memory: Memory, plan: Plan, window: Window, *, together: bool) -> Memory:
    if not any(limit.is_tested for limit in plan.limits):
        return memory
    new = 0.0 < memory.weighed_until <= window.start + 0.05 * (window.end - window.start)
    return msgspec.structs.replace(
        memory,
        evidence=weigh(plan, window, memory.evidence, new=new, together=together),
        weighed_until=window.end,
        enough=enough(plan, window, memory.enough),
    )


def _promoted_on_both_sides(memory: Memory, state: State, window: Window) -> bool:
    """Managed mode: the stable copy ran the revision under trial, too, all the time."""
    return state.phase is Phase.PROMOTING and memory.stable[0] == state.revision and memory.stable[1] <= window.start


def would_breach(memory: Memory, plan: Plan, window: Window) -> bool:
    """Whether this window, seen next, is a breach as far as anybody can tell before it is looked at closely."""
    evidence = memory.evidence
    if any(limit.is_tested for limit in plan.limits):
        evidence = weigh(plan, window, evidence, new=True)
    return judge(plan, window, memory.pool, evidence).verdict is Verdict.BREACH


def _judges(state: State) -> bool:
    """There is something to judge: the canary has traffic, or stable is taking the revision over."""
    return state.running and (state.weight > 0 or state.phase is Phase.PROMOTING)


def _silent(side: SideReading) -> bool:
    return isinstance(side, Missing) or side.requests == 0


def _append(memory: Memory, judged: Judged) -> Memory:
    return msgspec.structs.replace(
        memory, pending=(*memory.pending, judged)[-_MAX_PENDING:], shown=judged.metrics or memory.shown
    )


def _whole(memory: Memory, state: State, window: Window) -> bool:
    """The window lies after the weight change and its settling, and the revision was the same all along."""
    same = memory.revision == state.revision and memory.revision_since <= window.start
    return window.start >= memory.settled_at and same


def _drop_counted(memory: Memory, state: State, now: Now) -> Memory:
    """Windows that the state has counted already, by whichever process, are not counted again."""
    own = max((n for n, w in enumerate(memory.pending, 1) if w.wall_end == state.window), default=0)
    if own:
        # Counted by this process: known by identity, since the wall clock may have jumped in between.
        return msgspec.structs.replace(memory, pending=memory.pending[own:])
    if not memory.pending or state.window > now.wall + 1.0:
        return memory
    fresh = tuple(w for w in memory.pending if w.wall_end - (w.end - w.start) / 2 >= state.window)
    return memory if len(fresh) == len(memory.pending) else msgspec.structs.replace(memory, pending=fresh)


def _follow_clocks(memory: Memory, plan: Plan, state: State, now: Now) -> Memory:
    judging = state.running and state.weight > 0 and not state.pause
    alone = judging and not plan.suspend and now.monotonic >= memory.hold_until
    waits_for_people = bool(plan.stage(state.step).approval) and plan.stage(state.step).approval not in state.approvals
    usable = memory.latest is not None and memory.latest.verdict not in UNUSABLE
    if usable or not alone or waits_for_people:
        memory = msgspec.structs.replace(memory, no_data_since=None)
    elif memory.no_data_since is None and memory.latest is not None:
        memory = msgspec.structs.replace(memory, no_data_since=now.monotonic)
    if memory.failing_since is not None and (not judging or waits_for_people):
        memory = msgspec.structs.replace(memory, failing_since=now.monotonic)
    return memory
