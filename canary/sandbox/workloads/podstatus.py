"""The status of a Pod, as its kubelet and the scheduler report it."""

from __future__ import annotations

from typing import Any

from canary.sandbox.workloads.behaviour import UNSCHEDULABLE, Look
from canary.sandbox.workloads.objects import Pod, StatusCondition


def pod_status(pod: Pod, ip: str, look: Look, now: str) -> dict[str, Any]:
    """The whole status of a Pod whose containers are as in `look`; an empty `ip` is none."""
    conditions = _conditions(pod, look, now)
    if not look.scheduled:
        return {"phase": "Pending", "conditions": conditions}
    status: dict[str, Any] = {
        "phase": look.phase,
        "hostIP": "127.0.0.1",
        "startTime": pod.metadata.creation_timestamp,
        "conditions": conditions,
        "containerStatuses": [_container(container, pod, look) for container in pod.spec.containers],
    }
    return {**status, "podIP": ip, "podIPs": [{"ip": ip}]} if ip else status


def shows(pod: Pod, look: Look) -> bool:
    """Whether the status of the Pod says already what there is to say."""
    first = next(iter(pod.status.container_statuses or ()), None)
    if first is None:
        told = any(c.type == "PodScheduled" for c in pod.status.conditions or ())
        return told and not look.scheduled
    waiting = first.state.waiting
    words = None if waiting is None else (waiting.reason, waiting.message)
    said = (pod.status.phase, pod.ready, first.restart_count, words)
    return said == (look.phase, look.ready, look.restarts, look.waiting)


def _conditions(pod: Pod, look: Look, now: str) -> list[dict[str, Any]]:
    before = {condition.type: condition for condition in pod.status.conditions or ()}
    if not look.scheduled:
        words = {"reason": "Unschedulable", "message": UNSCHEDULABLE}
        return [{**_condition(before.get("PodScheduled"), "PodScheduled", False, now), **words}]
    values = {"PodScheduled": True, "Initialized": True, "ContainersReady": look.ready, "Ready": look.ready}
    unready = {
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{' '.join(c.get('name', '') for c in pod.spec.containers)}]",
    }
    return [
        {**_condition(before.get(name), name, value, now), **({} if value else unready)}
        for name, value in values.items()
    ]


def _condition(before: StatusCondition | None, name: str, value: bool, now: str) -> dict[str, Any]:
    """A condition keeps the time of its last change of status."""
    status = "True" if value else "False"
    same = before is not None and before.status == status and before.last_transition_time
    return {"type": name, "status": status, "lastTransitionTime": same or now}


def _container(container: dict[str, Any], pod: Pod, look: Look) -> dict[str, Any]:
    image = container.get("image", "")
    state: dict[str, Any] = {"running": {"startedAt": pod.metadata.creation_timestamp}}
    if look.waiting is not None:
        reason, message = look.waiting
        state = {"waiting": {"reason": reason, "message": message}}
    last = {"terminated": {"reason": look.ended[0], "exitCode": look.ended[1]}} if look.ended is not None else {}
    return {
        "name": container.get("name", ""),
        "image": image,
        "imageID": image if look.running or look.restarts else "",
        "ready": look.ready,
        "started": look.running,
        "restartCount": look.restarts,
        "state": state,
        "lastState": last,
    }
