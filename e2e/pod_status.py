"""What the kubelet for tests reports for a Pod: a pure function of its behaviour and its age."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

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


class Look(NamedTuple):
    """How a Pod's containers are: none runs while the images are missing or after a crash."""

    running: bool
    ready: bool
    restarts: int = 0
    waiting: str = "CrashLoopBackOff"
    """Why nothing runs, in Kubernetes' word."""

    @property
    def pending(self) -> bool:
        return self.waiting in ("ImagePullBackOff", "ContainerCreating") and not self.running


def behaviour_of(pod: dict[str, Any]) -> Behaviour:
    """Raises `ValueError` for an unknown word."""
    return Behaviour(_annotations(pod).get(BEHAVIOUR, Behaviour.READY.value))


def is_timed(pod: dict[str, Any]) -> bool:
    """Whether the Pod's status changes by itself."""
    return behaviour_of(pod) is Behaviour.CRASH_LOOP or READY_AFTER in _annotations(pod)


def pod_status(pod: dict[str, Any], address: str, age: float, now: str) -> dict[str, Any]:
    """The fields of `status` that the kubelet owns, `age` seconds after the Pod was bound; `now` as in `status_of`."""
    return status_of(pod, address, _look(pod, age), now)


def _look(pod: dict[str, Any], age: float) -> Look:
    behaviour = behaviour_of(pod)
    if behaviour is Behaviour.PENDING:
        return Look(running=False, ready=False, waiting="ImagePullBackOff")
    crashed = behaviour is Behaviour.CRASH_LOOP and age % CRASH_PERIOD >= CRASH_READY
    ready = not crashed and behaviour is not Behaviour.UNREADY and age >= float(_annotations(pod).get(READY_AFTER, 0))
    restarts = int(age / CRASH_PERIOD) if behaviour is Behaviour.CRASH_LOOP else 0
    return Look(not crashed, ready, restarts)


def status_of(pod: dict[str, Any], address: str, look: Look, now: str) -> dict[str, Any]:
    """The fields of `status` that the kubelet owns.

    `now` is the time as Kubernetes writes it; a transition time that is already there is kept while nothing changes.
    """
    old = pod["status"]
    start = old.get("startTime") or now
    status: dict[str, Any] = {
        "phase": "Pending" if look.pending else "Running",
        "startTime": start,
        "hostIP": "10.255.255.254",
        "conditions": _conditions(old, now, {"Ready": look.ready, "ContainersReady": look.ready}),
        "containerStatuses": [_container(container, look, start) for container in pod["spec"]["containers"]],
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


def _container(container: dict[str, Any], look: Look, start: str) -> dict[str, Any]:
    state = {"running": {"startedAt": start}} if look.running else {"waiting": {"reason": look.waiting}}
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": container["image"],
        "ready": look.ready,
        "started": look.running,
        "restartCount": look.restarts,
        "state": state,
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}} if look.restarts else {},
    }


def _annotations(pod: dict[str, Any]) -> dict[str, str]:
    return pod["metadata"].get("annotations") or {}
