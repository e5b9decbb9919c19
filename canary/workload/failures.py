"""Why a workload does not become ready: what its pods and its Deployment say themselves, in one sentence.

Reasons are those of the kubelet and the scheduler (Kubernetes documentation, "Pod Lifecycle" and "Debug Running Pods";
k8s.io/kubernetes, pkg/kubelet/images and pkg/kubelet/kuberuntime).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from canary.workload.quoting import bounded, last_line, quoted

LIMIT = 300
"""Characters of a sentence."""
BACKOFF_RESET = 600.0
"""Seconds that a container has to run until the kubelet forgets that it crashed before (twice the longest back-off)."""
_MESSAGE = 160

# Most severe first: what nothing but another revision cures, what might be cured from outside, what may only take time.
_SEVERITY = {
    reason: rank
    for rank, reasons in enumerate(
        (
            ("InvalidImageName", "ErrImageNeverPull"),
            (
                "ImagePullBackOff",
                "ErrImagePull",
                "ImageInspectError",
                "RegistryUnavailable",
                "SignatureValidationFailed",
            ),
            ("CrashLoopBackOff",),
            ("OOMKilled",),
            ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreStartHookError"),
            ("PostStartHookError", "Error", "ContainerCannotRun", "StartError"),
            ("Unschedulable", "SchedulingGated", "SchedulerError"),
            ("Evicted", "Failed"),
        )
    )
    for reason in reasons
}
_FAILED = _SEVERITY["Failed"]
_MILD = _FAILED + 1
"""Everything else: still starting, or the readiness probe fails."""


class _Trouble(NamedTuple):
    """One thing that is wrong. Pods with the same `subject` are counted together, whatever their `detail` is."""

    rank: int
    subject: str
    detail: str = ""


def pod_trouble(pods: Iterable[dict[str, Any]]) -> str:
    """What keeps pods from being ready, in their own words: most severe first, counted, at most 300 characters.

    Empty when nothing is wrong. Pods that are being deleted or have succeeded are not looked at.
    """
    alive = [pod for pod in pods if not _map(pod.get("metadata")).get("deletionTimestamp")]
    alive = [pod for pod in alive if _map(pod.get("status")).get("phase") != "Succeeded"]
    counts: Counter[tuple[int, str]] = Counter()
    details: dict[tuple[int, str], str] = {}
    for trouble in filter(None, map(_worst, alive)):
        key = trouble.rank, trouble.subject
        counts[key] += 1
        # The same words whatever the order of the pods is, so that a message does not change from list to list.
        details[key] = max(details.get(key, ""), trouble.detail)
    parts = [
        f"{counts[key]} of {len(alive)} pods: {key[1]}" + (f": {details[key]}" if details[key] else "")
        for key in sorted(counts, key=lambda key: (key[0], -counts[key], key[1]))
    ]
    return bounded("; ".join(parts), LIMIT)


def deployment_trouble(deployment: dict[str, Any]) -> str:
    """What a Deployment says is wrong with it: pods that cannot be made (a quota, a webhook), or no progress.

    At most 300 characters; empty when nothing is wrong.
    """
    parts = []
    for kind, bad in (("ReplicaFailure", "True"), ("Progressing", "False")):
        condition = _condition(deployment, kind)
        if condition.get("status") == bad:
            words = (_word(condition.get("reason")) or kind, quoted(condition.get("message"), _MESSAGE))
            parts.append(": ".join(filter(None, words)))
    return bounded("; ".join(parts), LIMIT)


def crash_looping(pod: dict[str, Any], now: float | None = None) -> bool:
    """Whether a container of the pod crashes again and again: such a pod is not ready, whatever its probe says.

    It waits in CrashLoopBackOff, or has been restarted at least twice and its last run ended with an error. A run of
    ten minutes ends a loop, as it does for the kubelet: the last one, or the present one where `now` (Unix seconds) is
    given. Without it a pod that has recovered since counts as looping.
    """
    return any(_loops(status, now) for status, _ in _containers(pod))


def _loops(status: dict[str, Any], now: float | None) -> bool:
    if _map(_map(status.get("state")).get("waiting")).get("reason") == "CrashLoopBackOff":
        return True
    last = _map(_map(status.get("lastState")).get("terminated"))
    restarts = status.get("restartCount")
    if not last.get("exitCode") or not isinstance(restarts, int) or restarts < 2:
        return False
    running = _map(_map(status.get("state")).get("running"))
    lasted = _seconds(last.get("startedAt"), _time(last.get("finishedAt")))
    return max(lasted, _seconds(running.get("startedAt"), now)) < BACKOFF_RESET


def _worst(pod: dict[str, Any]) -> _Trouble | None:
    """The most severe trouble of a pod that is not ready, or only seems to be."""
    if _condition(pod, "Ready").get("status") == "True" and not crash_looping(pod):
        return None
    status = _map(pod.get("status"))
    failed = status.get("phase") == "Failed"
    if failed and (reason := _word(status.get("reason"))):
        # The node ended it: that its containers were killed is only how.
        return _Trouble(_FAILED, reason, quoted(status.get("message"), _MESSAGE))
    unknown = _Trouble(_FAILED, "Failed") if failed else _Trouble(_MILD, "not started yet")
    return min((*_of_containers(pod), *_of_conditions(pod)), default=unknown)


def _of_containers(pod: dict[str, Any]) -> Iterator[_Trouble]:
    for status, what in _containers(pod):
        if trouble := _of_container(status, f"{what} {_word(status.get('name'))}"):
            yield trouble


def _of_container(status: dict[str, Any], name: str) -> _Trouble | None:
    state, last = _map(status.get("state")), _map(_map(status.get("lastState")).get("terminated"))
    waiting, ended = _map(state.get("waiting")), _map(state.get("terminated"))
    if reason := _word(waiting.get("reason")):
        # How the last run ended says more than the kubelet's "back-off 5m0s restarting failed container".
        crashed = reason == "CrashLoopBackOff" and last
        words = _ending(last) if crashed else quoted(waiting.get("message"), _MESSAGE)
        return _Trouble(_SEVERITY.get(reason, _MILD), f"{name} {reason}", words)
    if ended.get("exitCode"):
        return _Trouble(_rank(ended), f"{name} {_word(ended.get('reason')) or 'Error'}", _ending(ended))
    if _loops(status, None):
        return _Trouble(_SEVERITY["CrashLoopBackOff"], f"{name} crashes again and again", _ending(last))
    if last.get("exitCode") and not status.get("ready"):
        reason = _word(last.get("reason")) or "Error"
        return _Trouble(_rank(last), f"{name} was restarted after {reason}", _ending(last))
    return None


def _of_conditions(pod: dict[str, Any]) -> Iterator[_Trouble]:
    scheduled, ready = _condition(pod, "PodScheduled"), _condition(pod, "Ready")
    if scheduled.get("status") == "False":
        reason = _word(scheduled.get("reason")) or "Unschedulable"
        yield _Trouble(_SEVERITY.get(reason, _MILD), reason, quoted(scheduled.get("message"), _MESSAGE))
    elif ready.get("status") == "False":
        yield _Trouble(_MILD, "not ready", quoted(ready.get("message"), _MESSAGE) or _word(ready.get("reason")))


def _containers(pod: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    status = _map(pod.get("status"))
    for field, what in (("initContainerStatuses", "init container"), ("containerStatuses", "container")):
        found = status.get(field)
        for container in found if isinstance(found, list) else ():
            if isinstance(container, dict):
                yield container, what


def _ending(terminated: dict[str, Any]) -> str:
    """How a run ended: `exit code 137 (OOMKilled), last words of the container`."""
    reason, code = _word(terminated.get("reason")), terminated.get("exitCode")
    words = f"exit code {code}" if isinstance(code, int) else ""
    if reason and reason != "Error":
        words += f" ({reason})"
    message = quoted(last_line(terminated.get("message")), _MESSAGE, own=True)
    return ", ".join(filter(None, (words.strip(), message)))


def _rank(terminated: dict[str, Any]) -> int:
    return _SEVERITY.get(_word(terminated.get("reason")), _SEVERITY["Error"])


def _condition(obj: dict[str, Any], kind: str) -> dict[str, Any]:
    conditions = _map(obj.get("status")).get("conditions")
    found = (
        (item for item in conditions if _map(item).get("type") == kind) if isinstance(conditions, list) else iter(())
    )
    return _map(next(found, None))


def _word(value: Any) -> str:
    return quoted(value, 63)


def _time(value: Any) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError):
        return None


def _seconds(since: Any, until: float | None) -> float:
    """Seconds from an RFC 3339 time until Unix time `until`; 0 where one of them is not known."""
    start = _time(since)
    return until - start if start is not None and until is not None else 0.0


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
