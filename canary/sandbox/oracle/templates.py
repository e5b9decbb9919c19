"""S9 and S10: stable runs what was kept, analysed and permitted, and what ran before can be put back until then."""

from __future__ import annotations

from typing import Any

from canary.api.names import REVISION_ANNOTATION
from canary.core.phases import Phase
from canary.core.state import State
from canary.sandbox.oracle.log import REQUEST, Broken, Write, annotations_of
from canary.sandbox.oracle.workload import Moment, Workload, replicas_of

JSON = dict[str, Any]


def judge_template(w: Workload, write: Write) -> Broken:
    """A write of a Deployment's pod template, or of a pin."""
    if write.plural == "controllerrevisions" and write.new is None:
        yield from _pin_went(w, write)
    if write.plural != "deployments" or write.new is None or not _changes_template(write):
        return
    if write.name == w.stable:
        yield from _stable(w, write)
    elif write.name == w.target:
        yield from _restored(w, write)


def held_revision(w: Workload) -> str:
    """The kept revision whose template the target holds; empty where none is."""
    target = w.deployment(w.target)
    if target is None:
        return ""
    held = target["spec"]["template"]
    names = (annotations_of(pin).get(REVISION_ANNOTATION, "") for pin in w.pins() if pin["data"]["template"] == held)
    return next(names, "")


def _changes_template(write: Write) -> bool:
    old, new = write.old or {}, write.new or {}
    before, after = (old.get("spec") or {}).get("template"), (new.get("spec") or {}).get("template")
    named = [annotations_of(obj).get(REVISION_ANNOTATION) for obj in (write.old, write.new)]
    return before != after or (named[0] != named[1])


def _stable(w: Workload, write: Write) -> Broken:
    revision = annotations_of(write.new).get(REVISION_ANNOTATION, "")
    pin = w.pin(revision)
    if pin is None:
        if revision not in w.lost_lately(write.monotonic):
            yield "S9", f"stable runs {revision or 'nothing with a name'}, which was not kept"
        return
    if _essence(write.new) != _essence_of(pin["data"]["template"]):
        yield "S9", f"stable runs another template than the one that is kept as {revision}"
    moments = w.since(("deployments", w.stable))
    # What has never had any traffic by a split may be made anew as often as it takes.
    began = any(moment.state is not None for moment in w.moments)
    if began and not any(_permits(moment, revision, write.old) for moment in moments):
        yield "S25", f"stable runs {revision} in {moments[-1].phase or 'no phase'}, which permits none of it"
    promoted = w.now.state.promoted if w.now.state is not None else ""
    unseen = promoted in w.lost_lately(write.monotonic)
    if promoted not in ("", revision) and w.pin(promoted) is None and not unseen:
        yield "S10", f"stable runs {revision}, and {promoted}, which was promoted, is not kept"


def _permits(moment: Moment, revision: str, old: JSON | None) -> bool:
    state = moment.state
    if state is None:
        # Without a split nothing was decided: a copy is made, or mended that has never been ready.
        status = (old or {}).get("status") or {}
        return old is None or status.get("availableReplicas", 0) < replicas_of(old)
    return revision == state.promoted or (state.phase is Phase.PROMOTING and revision == state.revision)


def _restored(w: Workload, write: Write) -> Broken:
    """The user's template is ours to write only at the end, and then it is the promoted one."""
    if not w.now.deleting:
        yield "S25", "the target's template was written although the Canary is not being deleted"
    pins = (*w.pins(), *w.lost_lately(write.monotonic).values())
    kept = [annotations_of(pin)[REVISION_ANNOTATION] for pin in pins if _kept(pin) == _essence(write.new)]
    promoted = {annotations_of(w.deployment(w.stable)).get(REVISION_ANNOTATION)}
    promoted |= {moment.state.promoted for moment in w.moments[-5:] if moment.state is not None}
    if not promoted & set(kept):
        yield "S9", f"the target was given the template of {kept or 'nobody'}, promoted is {promoted}"


def _pin_went(w: Workload, write: Write) -> Broken:
    revision = annotations_of(write.old).get(REVISION_ANNOTATION, "")
    if w.now.deleting and not w.now.split:
        return
    for moment in w.moments:
        if moment is w.now and moment.at > write.monotonic - REQUEST:
            return  # The request may have left before.
    state = w.now.state
    if state is not None and revision in _needed(state):
        yield "S10", f"the kept template of {revision} was deleted in {state.phase.value}"


def _needed(state: State) -> set[str]:
    return {state.promoted, *([state.revision] if state.running else [])} - {""}


def _kept(pin: JSON) -> JSON:
    return _essence_of(pin["data"]["template"])


def _essence(deployment: JSON | None) -> JSON:
    return _essence_of(((deployment or {}).get("spec") or {}).get("template") or {})


def _essence_of(template: JSON) -> JSON:
    """What runs: the containers, and what pods are told by annotations; not which side they are on."""
    spec, metadata = template.get("spec") or {}, template.get("metadata") or {}
    containers = [
        {key: one.get(key) for key in ("name", "image", "command", "args", "ports", "env", "resources")}
        for one in spec.get("containers") or ()
    ]
    return {"annotations": metadata.get("annotations") or {}, "containers": containers}
