"""Before there is a split: the stable copy and everything beside it that moves no traffic."""

from __future__ import annotations

from canary.core.actions.action import Action, Deed
from canary.core.actions.scalers import start
from canary.core.observed import Observed
from canary.core.workload import Candidate, Copy, Selects, Workload


def due_unsplit(observed: Observed) -> tuple[Action, ...]:
    """Backend Services, the pinned template, the stable copy in the size of the target, and an absent root.

    A stable copy that exists already says by itself what it was made from: nothing is rebuilt from a template that
    nobody has tried (fluxcd/flagger#1207). Unless it never became ready and never served: then the target's new
    template is the way out, and there is no other.
    """
    w, plan = observed.workload, observed.plan
    if w is None or plan is None or observed.conflict or observed.version_problem or observed.rival:
        return ()
    found = [Action(Deed.FILL_GAP, part=part) for part in w.gaps]
    if w.stable is None:
        return (*found, *_create_stable(observed))
    if observed.split is None and w.backend is not Selects.STABLE:
        # Nothing is sent there yet, and a selector that somebody has changed would never let the copy be ready.
        found.append(Action(Deed.POINT_BACKEND, to=Selects.STABLE))
    if not w.stable.replicas:
        # Somebody has scaled it down, and without a pod it never serves.
        found.append(_scale_up(w, w.stable))
    if not w.root.exists:
        found.append(Action(Deed.CREATE_ROOT))
    elif not w.stable.complete and observed.record.seq == 0 and w.root.selects is not Selects.STABLE:
        found += _mend_stable(w, w.stable)
    return tuple(found)


def _scale_up(w: Workload, stable: Copy) -> Action:
    if stable.autoscaled:
        return start(stable)
    size = max(_size(w.candidate), stable.size or 1)
    return Action(Deed.SCALE_STABLE, replicas=size, size=size)


def _size(candidate: Candidate | None) -> int:
    """Of the copy, as the target tells."""
    return max(candidate.replicas, candidate.minimum or 0, 1) if candidate is not None else 1


def _mend_stable(w: Workload, stable: Copy) -> list[Action]:
    wanted = w.candidate.revision if w.candidate is not None else ""
    if not wanted or wanted == stable.revision:
        return []
    return [Action(Deed.WRITE_STABLE if wanted in w.pins else Deed.PIN, wanted)]


def _create_stable(observed: Observed) -> list[Action]:
    w = observed.workload
    assert w is not None  # the caller has checked it
    promoted = observed.record.promoted
    candidate = w.candidate
    if promoted and promoted in w.pins:
        # It was there before: what served comes back, not what nobody has tried.
        size = candidate.whole if candidate else 1
        return [Action(Deed.CREATE_STABLE, promoted, size, size)]
    if candidate is None or not candidate.revision or (promoted and candidate.revision != promoted):
        return []
    if candidate.revision not in w.pins:
        return [Action(Deed.PIN, candidate.revision)]
    size = _size(candidate)
    return [Action(Deed.CREATE_STABLE, candidate.revision, size, size)]
