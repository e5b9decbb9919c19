"""Stamps before a phase is closed, and what must be gone with the finalizer: S16 and S25."""

from __future__ import annotations

from canary.api.names import REVISION_ANNOTATION
from canary.core.phases import Phase
from canary.core.state import State
from canary.sandbox.oracle.log import FASTEST, REQUEST, Broken, Write, annotations_of
from canary.sandbox.oracle.splits import Split
from canary.sandbox.oracle.statuses import finalizer_went
from canary.sandbox.oracle.templates import held_revision
from canary.sandbox.oracle.workload import Workload, selector_of, trailing


def judge_closing(w: Workload, before: State | None, after: State, at: float) -> Broken:
    """A phase that permitted writes is left: each object must have been written under it."""
    if before is None:
        return
    stable, target = w.known(w.stable, at), w.deployment(w.target)
    left = before.phase is not after.phase
    if left and before.phase is Phase.ROLLING_BACK and w.stamp(stable) < before.entered:
        yield "S25", f"RollingBack is left, and stable was last written under {w.stamp(stable)}, not {before.entered}"
    if left and before.phase is Phase.PROMOTING and after.phase is Phase.PROMOTED:
        runs = annotations_of(stable).get(REVISION_ANNOTATION, "")
        if runs != before.revision or w.stamp(stable) < before.entered:
            yield "S9", f"{before.revision} is promoted, and stable runs {runs}, written under {w.stamp(stable)}"
    if left and before.phase is Phase.PROMOTING and after.phase not in (Phase.PROMOTED, Phase.ROLLING_BACK):
        yield "S25", f"Promoting is left for {after.phase.value}"
    raised = after.weight and not before.weight and after.phase is Phase.PROGRESSING
    needed = max(before.entered, before.change.seq)
    if raised and target is not None and w.stamp(target) < needed:
        yield "S25", f"the first raise: the target was last written under {w.stamp(target)}, not {needed}"


def judge_split_removal(w: Workload, split: Split) -> Broken:
    """The split goes when writes that were prepared before can no longer succeed."""
    if split.state is None:
        return
    if split.share(w.backends[1]):
        yield "S16", f"the split goes while the canary has {split.share(w.backends[1])}%"
    root, target, stable = w.service(w.root), w.deployment(w.target), w.deployment(w.stable)
    if stable is None or not w.owned(stable) or w.selects(root) == w.stable:
        return  # It is left serving, or nobody depends on it.
    for what, obj in (("root", root), ("target", target)):
        since = split.state.entered
        if obj is not None and w.stamp(obj) < since:
            yield "S25", f"the split goes, and the {what} was last written under {w.stamp(obj)}, not {since}"


def forsaken(w: Workload, at: float) -> bool:
    """Nothing that may serve is there: a deletion has had its time, of what was promoted no pod is ready, and the
    target holds what was rejected, or what nobody can name. Then everything is left as it is."""
    state, held = w.decided, held_revision(w)
    late = w.now.deleting and at >= w.deleted + w.patience / (FASTEST if w.skewed else 1.0) - 1.0
    rejected = not held or (state is not None and held in state.rejected)
    return late and rejected and w.endpoints.gone(w.backends[0], at)


def _somebody_elses(w: Workload, at: float) -> bool:
    """The split has had no state since it is there, and either was put there while the write that rests on its absence
    was on its way, or gives the canary nothing and has the Services before both sides left to it."""
    since = trailing(w.moments, lambda moment: moment.split)
    if not since or any(moment.state is not None for moment in since):
        return False
    provided = not w.now.share and all(w.left(w.service(name)) for name in w.backends)
    return provided or at - since[0].at < REQUEST


def judge_goodbye(w: Workload, write: Write) -> Broken:
    """S16: with the finalizer everything of ours is gone, and the root selects something that exists."""
    if not w.ours(write) or not finalizer_went(write):
        return
    if w.now.split and not _somebody_elses(w, write.monotonic):
        yield "S16", "the finalizer went before the split"
    for (plural, name), obj in w.objects.items():
        if w.owned(obj) and (plural, name) != ("services", w.root):
            yield "S16", f"the finalizer went, and {plural} {name} is left"
    root = w.service(w.root)
    selector = selector_of(root) or {}
    dangling = any(value.endswith("-stable") for value in selector.values()) and w.deployment(w.stable) is None
    if root is not None and dangling and w.told_of(w.target, write.monotonic):
        yield "S16", f"the finalizer went, and the root Service selects {selector}, of which nothing runs"
