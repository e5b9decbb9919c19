"""Pods that fail: what their kubelet would report, as a function of a word in an annotation and of their age.

Source: Kubernetes, "Pod Lifecycle" (container states, restart back-off of 10 s doubled up to 5 minutes) and "Debug
Pods"; the words are those of a kubelet and of the default scheduler.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from canary.sandbox.workloads.objects import BEHAVIOUR_ANNOTATION, READY_ANNOTATION, Pod

# A container that ends is ready for this many seconds each time: what makes crash loops dangerous to a rollout.
CRASH_READY = 0.5
OOM_READY = 5.0
_BACKOFF, _LONGEST_BACKOFF = 10.0, 300.0


class Behaviour(Enum):
    """The values of the annotation."""

    READY = "ready"
    UNREADY = "unready"
    CRASH_LOOP = "crash-loop"
    OOM = "oom"
    PENDING = "pending"
    """The image cannot be pulled."""
    UNSCHEDULABLE = "unschedulable"


@dataclass(frozen=True, slots=True)
class Look:
    """How the containers of a pod are, and the seconds until that changes by itself; `None`: it stays.

    `waiting` says why they do not run, `ended` how they ended last: reason and exit code.
    """

    ready: bool
    next: float | None = None
    scheduled: bool = True
    restarts: int = 0
    waiting: tuple[str, str] | None = None
    ended: tuple[str, int] | None = None

    @property
    def running(self) -> bool:
        return self.scheduled and self.waiting is None

    @property
    def phase(self) -> str:
        return "Pending" if not self.scheduled or (self.waiting and not self.restarts) else "Running"


UNSCHEDULABLE = (
    "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found "
    "for incoming pod."
)


def behaviour_of(pod: Pod) -> Behaviour:
    """Raises `ValueError` for an unknown word."""
    annotations = pod.metadata.annotations
    if annotations.get(READY_ANNOTATION) == "false":
        return Behaviour.UNREADY
    return Behaviour(annotations.get(BEHAVIOUR_ANNOTATION, Behaviour.READY.value))


def look(behaviour: Behaviour, age: float, delay: float, image: str = "") -> Look:
    """`age` seconds after a pod came to be whose containers need `delay` seconds to become ready."""
    if behaviour is Behaviour.UNSCHEDULABLE:
        return Look(False, scheduled=False)
    if behaviour is Behaviour.PENDING:
        return Look(False, waiting=("ImagePullBackOff", f'Back-off pulling image "{image}"'))
    if behaviour is Behaviour.UNREADY:
        return Look(False)
    if age < delay:
        return Look(False, delay - age)
    if behaviour is Behaviour.READY:
        return Look(True)
    if behaviour is Behaviour.OOM:
        return _looping(age - delay, OOM_READY, ("OOMKilled", 137))
    return _looping(age - delay, CRASH_READY, ("Error", 1))


def _looping(age: float, ready: float, ended: tuple[str, int]) -> Look:
    """It runs, and ends, and waits longer each time; the first restart is at once."""
    pause, restarts = 0.0, 0
    while True:
        last = ended if restarts else None
        if age < ready:
            return Look(True, ready - age, restarts=restarts, ended=last)
        age -= ready
        if age < pause:
            words = f"back-off {_seconds(pause)} restarting failed container"
            return Look(False, pause - age, restarts=restarts, waiting=("CrashLoopBackOff", words), ended=ended)
        age -= pause
        restarts += 1
        pause = min(_LONGEST_BACKOFF, pause * 2 or _BACKOFF)


def _seconds(pause: float) -> str:
    """As Go prints a duration: `40s`, `2m40s`."""
    minutes, seconds = divmod(int(pause), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
