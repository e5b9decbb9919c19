"""The stable Deployment as the decision sees it: what it runs, whether somebody has changed it, how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.api.names import REVISION_ANNOTATION, SIZE_ANNOTATION
from canary.controller.managed.candidate import stamp_of
from canary.controller.managed.inputs import Inputs, Unproven
from canary.core.workload import Copy
from canary.kube.resources import AUTOSCALERS, SCALED_OBJECTS
from canary.workload.autoscaling import autoscaler_of
from canary.workload.config import renamed
from canary.workload.failures import deployment_trouble
from canary.workload.pins import Pin
from canary.workload.stable import SideLabel, stable_template
from canary.workload.template import only_added, template_digest

JSON = dict[str, Any]


def copy_view(
    given: Inputs, stable: JSON | None, pins: Mapping[str, Pin], label: SideLabel | None
) -> tuple[Copy | None, tuple[Unproven, ...]]:
    if stable is None or "deletionTimestamp" in stable["metadata"]:
        return None, ()
    annotations, spec = stable["metadata"].get("annotations") or {}, stable["spec"]
    found = annotations.get(REVISION_ANNOTATION, "")
    drifted, unproven = _drift(given, stable, pins.get(found), label)
    name = stable["metadata"]["name"]
    size = annotations.get(SIZE_ANNOTATION, "")
    copies = [*given.objects[AUTOSCALERS].values(), *given.objects[SCALED_OBJECTS].values()]
    copy = Copy(
        revision=found,
        drifted=drifted,
        replicas=spec.get("replicas", 1),
        size=int(size) if size.isdecimal() else 0,
        complete=_complete(stable),
        stamp=stamp_of(stable, given.mark.uid),
        autoscaled=autoscaler_of(copies, stable) is not None,
        trouble=given.trouble.get(name, "") or deployment_trouble(stable),
    )
    return copy, unproven


def _drift(given: Inputs, stable: JSON, pin: Pin | None, label: SideLabel | None) -> tuple[bool, tuple[Unproven, ...]]:
    """Whether the copy's template is another one than it was made from; one that is in doubt counts as the same."""
    if pin is None or label is None:
        return False, ()
    wanted, live = wanted_template(pin, label, given.mark.namespace), stable["spec"]["template"]
    pair = template_digest(wanted), template_digest(live)
    if pair[0] == pair[1] or pair in given.settled:
        return False, ()
    if (pair[0], f"not {pair[1]}") in given.settled or not only_added(wanted, live):
        return True, ()
    return False, (Unproven(wanted, live, ""),)


def wanted_template(pin: Pin, label: SideLabel, namespace: str) -> JSON:
    """What the stable copy runs for a pinned revision: with stable's label, and the copies of the configuration."""
    names = {}
    for original, copied in pin.config.items():
        kind, _, name = original.partition("/")
        names[kind, name] = copied
    return stable_template(renamed(pin.template, names), label.key, label.value, namespace)


def _complete(deployment: JSON) -> bool:
    """Every pod is of the present template, and all of them are available, as `kubectl rollout status` has it."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    observed: bool = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return observed and wanted > 0 and counts == [wanted] * 3
