"""From objects to the values that the decision reads: the workload behind one Canary, looked at as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from canary.api.names import ACKNOWLEDGE_ANNOTATION, CONTROLLER_MANAGER, REPLICAS_ANNOTATION
from canary.controller.managed.candidate import NOTHING, Config, asked, config_of, revision, stamp_of
from canary.controller.managed.copies import copy_view
from canary.controller.managed.inputs import Inputs, Unproven
from canary.controller.managed.parts import Part, Seen, gaps, leftovers, name_taken
from canary.controller.managed.roots import as_target, root_view, selected
from canary.core.workload import Candidate, Copy, Scaler, Workload
from canary.kube.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    SCALED_OBJECTS,
    SECRETS,
)
from canary.workload.autoscaling import autoscaler_of, paused_by
from canary.workload.claims import REPLICAS, applier, managed_fields, without_ours
from canary.workload.conflicts import selector_conflicts, unacknowledged
from canary.workload.failures import deployment_trouble
from canary.workload.ownership import CANARY_SUFFIX, STABLE_SUFFIX, Foreign, Stale, ownership, stable_name
from canary.workload.pins import Pin, read_pin
from canary.workload.stable import SideLabel, Unsupported, side_label
from canary.workload.template import only_added, template_digest

JSON = dict[str, Any]
CONFLICT = "SelectorConflict"


@dataclass(frozen=True, slots=True)
class View:
    """The workload, and beside it what is needed to act on it.

    `unproven` are pairs of templates, wanted and live, that may be the same after the server's defaulting: a dry run
    can tell. Digests are those of the templates that the two Deployments have now.
    """

    workload: Workload
    label: SideLabel | None = None
    target: JSON | None = None
    model: JSON | None = None
    """The target, or, when it is gone, what the stable copy tells of it."""
    stable: JSON | None = None
    root: JSON | None = None
    scaled: JSON | None = None
    """KEDA's ScaledObject of the target."""
    pins: Mapping[str, Pin] = field(default_factory=dict)
    config: Config = NOTHING
    parts: tuple[Part, ...] = ()
    named: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By Deployment: the digest of its template and the revision that this is."""
    unproven: tuple[Unproven, ...] = ()


def view_of(given: Inputs) -> View:
    """Everything that is known of the workload behind one Canary."""
    reference = given.spec.target_ref
    assert reference is not None  # managed mode
    deployments = given.objects[DEPLOYMENTS]
    target, stable = deployments.get(reference.name), deployments.get(stable_name(reference.name))
    remains = leftovers(given.objects, given.services, given.mark)
    if not given.known:
        return View(Workload(reference.name, known=False, leftovers=remains, terminating=given.terminating))
    try:
        view = _whole(given, reference.name, target, stable, remains)
    except Unsupported as error:
        problem = ("TargetUnsupported", str(error))
        found = Workload(reference.name, problem=problem, leftovers=remains, terminating=given.terminating)
        return View(found, target=target, stable=stable)
    if given.filters is None and (view.workload.problem or ("",))[0] == CONFLICT:
        # Half of a list would be acknowledged, and the other half would come as a surprise.
        return View(Workload(reference.name, known=False, leftovers=remains, terminating=given.terminating))
    return view


def _whole(given: Inputs, name: str, target: JSON | None, stable: JSON | None, remains: tuple[str, ...]) -> View:
    pins = _pins(given)
    problem = _taken(given, stable)
    model = target or as_target(stable, name)
    label = side_label(model) if model is not None else None
    root = given.services.get(given.spec.service.name)
    parts: tuple[Part, ...] = ()
    if target is not None and label is not None:
        seen = Seen(target, label, root, given.services, given.objects, given.floor)
        parts, taken = gaps(seen, given.spec, given.mark, given.live)
        problem = problem or (("NameTaken", taken) if taken else None)
        problem = problem or (_conflict(given, target, label) if stable is None else None)
    config = _config(given, target)
    candidate, alias = _candidate(given, target, config, pins)
    copy, drift = copy_view(given, stable, pins, label)
    problem = problem or _changed(given, stable, copy)
    backend = given.services.get(f"{given.spec.service.name}{STABLE_SUFFIX}")
    scaled = autoscaler_of(given.objects[SCALED_OBJECTS].values(), model) if model is not None else None
    workload = Workload(
        target=name,
        candidate=candidate,
        stable=copy,
        scaler=_scaler(given, scaled),
        root=root_view(given, root, model, label),
        backend=selected(backend, model, label),
        backend_stamp=stamp_of(backend, given.mark.uid) if backend is not None else 0,
        pins=frozenset(pins),
        gaps=tuple(part.name for part in parts),
        leftovers=remains,
        left=_left(given),
        problem=problem,
        terminating=given.terminating,
    )
    named = _names(target, candidate) | _names(stable, copy)
    return View(workload, label, target, model, stable, root, scaled, pins, config, parts, named, (*alias, *drift))


def _pins(given: Inputs) -> dict[str, Pin]:
    found = (
        read_pin(obj)
        for obj in given.objects[CONTROLLER_REVISIONS].values()
        if not isinstance(ownership(obj, given.mark, given.live), Foreign)
    )
    return {pin.revision: pin for pin in found if pin is not None}


def _taken(given: Inputs, stable: JSON | None) -> tuple[str, str] | None:
    if stable is None:
        return None
    owner = ownership(stable, given.mark, given.live)
    if not isinstance(owner, Foreign):
        return None
    return "NameTaken", name_taken(f"Deployment {stable['metadata']['name']}", owner)


def _left(given: Inputs) -> bool:
    backends = (given.services.get(f"{given.spec.service.name}{suffix}") for suffix in (STABLE_SUFFIX, CANARY_SUFFIX))
    return any(one is not None and ownership(one, given.mark, given.live) == Stale("") for one in backends)


def _changed(given: Inputs, stable: JSON | None, copy: Copy | None) -> tuple[str, str] | None:
    """What was left serving is taken over as it was left; what somebody has put there since would be undone."""
    if stable is None or copy is None or not copy.drifted or ownership(stable, given.mark, given.live) != Stale(""):
        return None
    name = stable["metadata"]["name"]
    return "NameTaken", (
        f"Deployment {name} was left serving when an earlier Canary {given.mark.canary} was deleted, and its pod "
        "template was changed since: put that template into the target and delete this Deployment, or delete it alone"
    )


def _conflict(given: Inputs, target: JSON, label: SideLabel) -> tuple[str, str] | None:
    """Before anything is made: what selects the target's pods would miss the copy's."""
    labels = target["spec"]["template"]["metadata"].get("labels") or {}
    root = given.spec.service.name
    objects = [service for name, service in given.services.items() if name != root]
    found = selector_conflicts(
        labels, labels | {label.key: label.stable}, (*objects, *(given.filters or ())), namespace=given.mark.namespace
    )
    open_ones = unacknowledged(given.acknowledged, found)
    if not open_ones:
        return None
    names = ", ".join(map(str, open_ones))
    hint = f"let them select stable's pods as well ({label.key}={label.stable}), or acknowledge them by name in the "
    return CONFLICT, f"{names} would miss the stable copy: {hint}annotation {ACKNOWLEDGE_ANNOTATION}"


def _config(given: Inputs, target: JSON | None) -> Config:
    if target is None:
        return NOTHING
    found = {(kind.kind, name): obj for kind in (CONFIG_MAPS, SECRETS) for name, obj in given.objects[kind].items()}
    return config_of(target["spec"]["template"], found, secrets=given.secrets)


def _candidate(
    given: Inputs, target: JSON | None, config: Config, pins: Mapping[str, Pin]
) -> tuple[Candidate | None, tuple[Unproven, ...]]:
    if target is None or "deletionTimestamp" in target["metadata"]:
        return None, ()
    template, spec, status = target["spec"]["template"], target["spec"], target.get("status") or {}
    found, unknown = revision(template, config), config.missing
    unproven: tuple[Unproven, ...] = ()
    if found:
        found, unproven = _known_as(given, found, template, config, pins)
        unknown = "the API server is asked whether its defaults have changed" if unproven else ""
    replicas = spec.get("replicas", 1)
    scaler = autoscaler_of(given.objects[AUTOSCALERS].values(), target)
    keda = autoscaler_of(given.objects[SCALED_OBJECTS].values(), target)
    written = (target["metadata"].get("annotations") or {}).get(REPLICAS_ANNOTATION, "")
    wish = asked(replicas, managed_fields(target), written)
    name = target["metadata"]["name"]
    candidate = Candidate(
        name=name,
        revision="" if unproven else found,
        unknown=unknown,
        replicas=replicas,
        pods=status.get("replicas", 0),
        size=None if scaler or keda else wish.size,
        applied_by=wish.applied_by or applier(target, REPLICAS),
        minimum=_minimum(scaler, keda),
        stamp=stamp_of(target, given.mark.uid),
        claimed=without_ours(target) is not None,
        trouble=given.trouble.get(name, "") or deployment_trouble(target),
    )
    return candidate, unproven


def _scaler(given: Inputs, scaled: JSON | None) -> Scaler | None:
    if scaled is None:
        return None
    ours, theirs = paused_by(scaled, CONTROLLER_MANAGER)
    return Scaler(ours, theirs, stamp_of(scaled, given.mark.uid))


def _minimum(scaler: JSON | None, keda: JSON | None) -> int | None:
    if keda is not None:
        return int(keda["spec"].get("minReplicaCount", 0))
    return None if scaler is None else int(scaler["spec"].get("minReplicas", 1))


def _known_as(
    given: Inputs, found: str, template: JSON, config: Config, pins: Mapping[str, Pin]
) -> tuple[str, tuple[Unproven, ...]]:
    """The name under which this revision is kept already, also one from before the server's defaults changed."""
    for pin in pins.values():
        if pin.stands_for(found):
            return pin.revision, ()
    live = template_digest(template)
    for pin in pins.values():
        if pin.config == config.copies and only_added(pin.template, template):
            pair = template_digest(pin.template), live
            if pair in given.settled:
                return pin.revision, ()
            if (pair[0], f"not {live}") not in given.settled:
                return found, (Unproven(pin.template, template, pin.revision),)
    return found, ()


def _names(deployment: JSON | None, seen: Candidate | Copy | None) -> dict[str, tuple[str, str]]:
    if deployment is None or seen is None:
        return {}
    drifted = isinstance(seen, Copy) and seen.drifted
    digest = template_digest(deployment["spec"]["template"])
    return {deployment["metadata"]["name"]: (digest, "" if drifted else seen.revision)}
