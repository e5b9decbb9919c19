"""While a split exists: what each phase wants of the stable copy, the root Service and the user's Deployment.

Which write is permitted in which phase is the whole content of this module: a write that was prepared in one phase must
not be found here in the next.
"""

from __future__ import annotations

from canary.core.actions.action import Action, Deed
from canary.core.actions.scalers import pause, resume, start
from canary.core.phases import Phase
from canary.core.scale import leading_weight, replicas_for
from canary.core.situation import Situation
from canary.core.workload import Candidate, Copy, Selects, Workload

CLOSED = frozenset({Phase.IDLE, Phase.PROMOTED, Phase.ROLLED_BACK})


def due_in_phase(s: Situation) -> tuple[Action, ...]:
    w = s.workload
    if w is None:
        return ()
    found = [Action(Deed.FILL_GAP, part=part) for part in w.gaps]
    found += _pins(s, w)
    found += _root(s, w)
    stable = _stable(s, w)
    # Stable first: what is asked for is taken over before it is put back where it was asked for.
    return (*found, *(stable or due_for_candidate(s, w)), *yields(w))


def yields(w: Workload) -> list[Action]:
    """What a process that died after its write of a field has left claimed; otherwise the write has dropped it."""
    candidate = [Action(Deed.YIELD_CANDIDATE)] if w.candidate is not None and w.candidate.claimed else []
    return [*candidate, *([Action(Deed.YIELD_ROOT)] if w.root.claimed else [])]


def _pins(s: Situation, w: Workload) -> list[Action]:
    wanted = s.state.revision if s.state.phase is Phase.PROGRESSING else ""
    if wanted and wanted not in w.pins and w.candidate is not None and w.candidate.revision == wanted:
        return [Action(Deed.PIN, wanted)]
    if s.wanted and s.wanted == s.state.promoted and s.wanted not in w.pins:
        return [Action(Deed.PIN, s.wanted)]
    if s.state.phase not in CLOSED:
        return []
    kept = {s.state.promoted, s.state.revision, w.stable.revision if w.stable else ""}
    return [Action(Deed.UNPIN, revision) for revision in sorted(w.pins - kept)]


def _root(s: Situation, w: Workload) -> list[Action]:
    ready = w.backend is Selects.STABLE and s.serving_side.ready > 0
    if not w.root.exists:
        return [Action(Deed.CREATE_ROOT, stamp=s.state.seq)]
    found = []
    if w.root.selects is not Selects.STABLE and not w.root.elsewhere and ready:
        found.append(Action(Deed.POINT_ROOT, to=Selects.STABLE, stamp=s.state.seq))
    served = w.backend is Selects.CANDIDATE and s.serving_side.ready > 0
    if w.backend is not Selects.STABLE and (not served or (w.stable is not None and w.stable.complete)):
        found.append(Action(Deed.POINT_BACKEND, to=Selects.STABLE, stamp=s.state.seq))
    return found


def stable_revision(s: Situation) -> str:
    """What the stable copy must run in this phase; empty when nothing may be written.

    A promotion that is being undone has a reason already, and waits only for stable to be ready again.
    """
    if s.state.phase is not Phase.PROMOTING or s.state.reason:
        return s.state.promoted
    barred = s.state.revision in s.state.rejected or s.state.revision in s.observed.record.rejected
    return "" if barred else s.state.revision


def _stable(s: Situation, w: Workload) -> list[Action]:
    revision, stable, stamp = stable_revision(s), w.stable, s.state.seq
    if stable is None:
        size = w.candidate.whole if w.candidate else 1
        known = bool(revision) and revision in w.pins
        return [Action(Deed.CREATE_STABLE, revision, size, size, stamp=stamp)] if known else []
    if revision and revision in w.pins and (stable.revision != revision or stable.drifted):
        return [Action(Deed.WRITE_STABLE, revision, stamp=stamp)]
    return _size(s, stable, w.candidate) or _stamp(s, stable)


def _size(s: Situation, stable: Copy, candidate: Candidate | None) -> list[Action]:
    """What somebody asks of the user's Deployment is the size of the whole, so it is stable's.

    Up at once; down only when no rollout runs, since all traffic may come back.
    """
    if stable.autoscaled:
        return [] if stable.replicas else [start(stable, s.state.seq)]
    size = candidate.size if candidate is not None and candidate.size else stable.size or max(stable.replicas, 1)
    replicas = size if s.state.phase in CLOSED else max(size, stable.replicas)
    if (replicas, size) == (stable.replicas, stable.size):
        return []
    return [Action(Deed.SCALE_STABLE, replicas=replicas, size=size, stamp=s.state.seq)]


def _stamp(s: Situation, stable: Copy) -> list[Action]:
    """Before the phase is closed, a template that somebody prepared earlier must have become impossible."""
    due = s.state.phase in (Phase.ROLLING_BACK, Phase.PROMOTING) and stable.stamp < s.state.entered
    return [Action(Deed.STAMP_STABLE, stamp=s.state.seq)] if due else []


def due_for_candidate(s: Situation, w: Workload) -> list[Action]:
    """The write of the user's Deployment that is due, if any."""
    candidate = w.candidate
    if candidate is None:
        return []
    if not s.state.running and candidate.replicas <= w.least and (paused := pause(w, candidate.replicas, s.state.seq)):
        return paused
    wanted = wanted_replicas(s, w, candidate)
    if wanted is None:
        return []
    if s.state.running and (resumed := _resume(s, w)):
        return resumed
    if wanted < candidate.replicas and not unused(s, w):
        wanted = candidate.replicas
    stale = s.state.phase is Phase.PROGRESSING and s.state.weight == 0 and candidate.stamp < _needed_stamp(s)
    if candidate.replicas == wanted and not stale:
        return []
    return [Action(Deed.SCALE_CANDIDATE, replicas=wanted, stamp=s.state.seq)]


def _resume(s: Situation, w: Workload) -> list[Action]:
    """Without weight the object is also stamped; with weight it was, before the raise."""
    return resume(w, 0 if s.state.weight else s.state.entered, s.state.seq)


def _needed_stamp(s: Situation) -> int:
    """The candidate must have been written since, so that a scale-down that was prepared earlier conflicts."""
    return max(s.state.entered, s.state.change.seq)


def wanted_replicas(s: Situation, w: Workload, candidate: Candidate) -> int | None:
    """How many replicas the user's Deployment must ask for; `None` when it is to be left alone."""
    phase = s.state.phase
    if phase is Phase.INITIALIZING:
        return min(w.least, candidate.replicas)
    if s.state.running:
        return _for_weight(s, w, candidate)
    return min(w.least, candidate.replicas) if drained(s) else None


def _for_weight(s: Situation, w: Workload, candidate: Candidate) -> int | None:
    """Scale leads the weight: what the next weight needs is there before it comes."""
    if s.state.restart:
        return 0 if drained(s) else None
    if s.plan is None or w.stable is None or s.state.revision not in w.pins:
        return None
    if candidate.minimum is not None:
        # From one on, the autoscaler has the say.
        first = replicas_for(s.plan, w.stable.replicas, s.plan.next_weight(0))
        return candidate.replicas or max(first, candidate.minimum, 1)
    wanted = replicas_for(s.plan, w.stable.replicas, leading_weight(s.plan, s.state))
    shrinks = s.state.phase is Phase.PROGRESSING and not s.state.weight and s.reached(s.memory.settled_at)
    return wanted if shrinks else max(wanted, candidate.replicas)


def unused(s: Situation, w: Workload) -> bool:
    """Nobody comes to the candidate by the split or the root Service, and whoever comes to stable finds it ready."""
    if any(backend.weight and backend.service != s.state.serving for backend in s.split.backends):
        return False
    selected = w.root_is_safe and w.backend is Selects.STABLE
    followed = s.reached(s.memory.pointed_at) and s.reached(s.memory.settled_at)
    return selected and followed and s.serving_side.ready > 0


def drained(s: Situation) -> bool:
    """Nothing is sent to the candidate any more: the split says so, proxies had time, and the metrics agree."""
    listed = any(backend.service == s.state.canary and backend.weight for backend in s.split.backends)
    return not s.state.weight and not listed and s.reached(s.memory.settled_at) and s.memory.quiet
