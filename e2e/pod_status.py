"""What the kubelet for tests reports for a Pod: a pure function of its behaviour and its age."""

from __future__ import annotations

from enum import Enum
from typing import Any

BEHAVIOUR = "test-kubelet/behaviour"
READY_AFTER = "test-kubelet/ready-after"
# A container that crashes is ready for a moment each time: what makes crash loops dangerous to a rollout.
CRASH_PERIOD = 2.0
CRASH_READY = 0.5


class Behaviour(Enum):
    """The values of the annotation."""

    READY = "ready"
    UNREADY = "unready"
    CRASH_LOOP = "crash-loop"
    PENDING = "pending"


def behaviour_of(pod: dict[str, Any]) -> Behaviour:
    """Raises `ValueError` for an unknown word."""
    return Behaviour(_annotations(pod).get(BEHAVIOUR, Behaviour.READY.value))


def is_timed(pod: dict[str, Any]) -> bool:
    """Whether the Pod's status changes by itself."""
    return behaviour_of(pod) is Behaviour.CRASH_LOOP or READY_AFTER in _annotations(pod)


def pod_status(pod: dict[str, Any], address: str, age: float, now: str) -> dict[str, Any]:
    """The fields of `status` that the kubelet owns, `age` seconds after the Pod was bound.

    `now` is the time as Kubernetes writes it; a transition time that is already there is kept while nothing changes.
    """
    behaviour = behaviour_of(pod)
    old = pod["status"]
    start = old.get("startTime") or now
    crashed = behaviour is Behaviour.CRASH_LOOP and age % CRASH_PERIOD >= CRASH_READY
    running = behaviour is not Behaviour.PENDING and not crashed
    ready = running and behaviour is not Behaviour.UNREADY and age >= float(_annotations(pod).get(READY_AFTER, 0))
    restarts = int(age / CRASH_PERIOD) if behaviour is Behaviour.CRASH_LOOP else 0
    status: dict[str, Any] = {
        "phase": "Pending" if behaviour is Behaviour.PENDING else "Running",
        "startTime": start,
        "hostIP": "10.255.255.254",
        "conditions": _conditions(old, now, {"Ready": ready, "ContainersReady": ready}),
        "containerStatuses": [
            _container(container, ready, restarts, _state(running, crashed, start))
            for container in pod["spec"]["containers"]
        ],
    }
    if address:
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    return status


def _conditions(old: dict[str, Any], now: str, values: dict[str, bool]) -> list[dict[str, Any]]:
    always = {"PodScheduled": True, "Initialized": True}
    known = {condition["type"]: condition for condition in old.get("conditions") or ()}
    conditions = []
    for kind, value in {**always, **values}.items():
        text = "True" if value else "False"
        before = known.get(kind, {})
        same = before.get("status") == text and before.get("lastTransitionTime")
        entry = {"type": kind, "status": text, "lastTransitionTime": before["lastTransitionTime"] if same else now}
        conditions.append({**{k: v for k, v in before.items() if k == "lastProbeTime"}, **entry})
    return conditions


def _container(container: dict[str, Any], ready: bool, restarts: int, state: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": container["image"],
        "ready": ready,
        "started": "running" in state,
        "restartCount": restarts,
        "state": state,
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}} if restarts else {},
    }


def _state(running: bool, crashed: bool, start: str) -> dict[str, Any]:
    if running:
        return {"running": {"startedAt": start}}
    return {"waiting": {"reason": "CrashLoopBackOff" if crashed else "ImagePullBackOff"}}


def _annotations(pod: dict[str, Any]) -> dict[str, str]:
    return pod["metadata"].get("annotations") or {}
