"""The cells of a Pod: how many containers are ready, and its state in one word.

Source: Kubernetes, "Pod Lifecycle", and what kubectl prints for pods.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from canary.sandbox.apiserver.table import ages
from canary.sandbox.apiserver.table.columns import AGE, NAME, Column, Object, dig


def _statuses(pod: Object) -> list[Any]:
    return dig(pod, "status", "containerStatuses") or []


def ready(pod: Object, _now: datetime) -> str:
    ready_ones = sum(bool(each.get("ready") and dig(each, "state", "running") is not None) for each in _statuses(pod))
    return f"{ready_ones}/{len(dig(pod, 'spec', 'containers') or [])}"


def state(pod: Object, _now: datetime) -> str:
    """Phase, or the reason why a container waits or ended; Terminating wins."""
    phase = dig(pod, "status", "phase") or ""
    reason = _container_reason(pod, dig(pod, "status", "reason") or phase)
    if dig(pod, "metadata", "deletionTimestamp") and phase not in ("Succeeded", "Failed"):
        return "Terminating"
    return reason


def _container_reason(pod: Object, reason: str) -> str:
    failed, running = "", False
    for each in reversed(_statuses(pod)):
        waiting = dig(each, "state", "waiting", "reason")
        ended = dig(each, "state", "terminated")
        if waiting:
            reason = waiting
        elif ended is not None:
            reason = _ended(ended)
            failed = reason if ended.get("exitCode") else failed
        elif each.get("ready") and dig(each, "state", "running") is not None:
            running = True
    if reason != "Completed":
        return reason
    # Some containers are done while others serve, or one of them failed.
    if running and _is_ready(pod):
        return "Running"
    return failed or ("NotReady" if running else reason)


def _ended(ended: Mapping[str, Any]) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _is_ready(pod: Object) -> bool:
    conditions = dig(pod, "status", "conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def restarts(pod: Object, now: datetime) -> str:
    """`0`, or `3 (5m ago)`."""
    count = sum(int(each.get("restartCount") or 0) for each in _statuses(pod))
    ends = [dig(each, "lastState", "terminated", "finishedAt") for each in _statuses(pod)]
    last = max((end for end in ends if end), default="")
    return f"{count} ({ages.since(last, now)} ago)" if count and last else str(count)


def _gates(pod: Object, _now: datetime) -> str:
    gates = dig(pod, "spec", "readinessGates") or []
    true = {each.get("type") for each in dig(pod, "status", "conditions") or [] if each.get("status") == "True"}
    return f"{sum(gate.get('conditionType') in true for gate in gates)}/{len(gates)}" if gates else "<none>"


def _address(pod: Object, _now: datetime) -> str:
    addresses = dig(pod, "status", "podIPs") or [{"ip": dig(pod, "status", "podIP")}]
    return addresses[0].get("ip") or "<none>"


COLUMNS = (
    NAME,
    Column("Ready", ready, description="Containers that are ready, of all containers."),
    Column("Status", state, description="The state of the pod in one word."),
    Column("Restarts", restarts, description="How often containers were restarted, and how long ago the last time."),
    AGE,
    Column("IP", _address, priority=1),
    Column("Node", lambda pod, _now: dig(pod, "spec", "nodeName") or "<none>", priority=1),
    Column("Nominated Node", lambda pod, _now: dig(pod, "status", "nominatedNodeName") or "<none>", priority=1),
    Column("Readiness Gates", _gates, priority=1),
)
