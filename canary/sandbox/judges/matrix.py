"""The table that a Canary's status promises: in which situation it says what, and what others make of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canary.sandbox.judges import kstatus
from canary.sandbox.judges.kstatus import Status
from canary.sandbox.judges.verdicts import Verdicts, judge_all

ABNORMAL = ("Reconciling", "Stalled", "Paused")
"""Conditions that exist only while they are true (kstatus calls them abnormal-true)."""
ALWAYS = ("Ready", "Promoted")
ADVISORY = ("ReplicasManagedElsewhere", "TrafficNotFollowing")
"""Conditions that exist only while they are true, and of which no judge takes notice."""
METRICS_HOLD = "MetricsHold"
_STATUSES = frozenset({"True", "False", "Unknown"})
_REASON = re.compile(r"[A-Z][A-Za-z]*")

_RUNNING = ("Progressing", "Promoting")
_AT_REST = ("Idle", "Promoted")
_ANY = ("Initializing", "Idle", "Progressing", "Promoting", "RollingBack", "RolledBack", "Promoted", "Invalid")


@dataclass(frozen=True, slots=True)
class Row:
    """One situation. `abnormal` are the conditions of `ABNORMAL` that are true, `promoted` what Promoted may be.

    `metrics_hold` tells a hold that ends by itself from one that people end.
    """

    situation: str
    phases: tuple[str, ...]
    ready: str
    abnormal: frozenset[str]
    promoted: frozenset[str]
    argocd: str
    flux: Status
    metrics_hold: bool = False

    @property
    def wait_ready(self) -> bool:
        return self.ready == "True"


def _row(
    situation: str, phases: Sequence[str], ready: str, abnormal: str, promoted: str, argocd: str, flux: str,
    *, metrics_hold: bool = False,
) -> Row:  # fmt: skip
    flags, values = frozenset(abnormal.split()), frozenset(promoted.split())
    return Row(situation, tuple(phases), ready, flags, values, argocd, Status(flux), metrics_hold)


# fmt: off
MATRIX: tuple[Row, ...] = (
    _row("initializing", ("Initializing",), "Unknown", "Reconciling", "Unknown", "Progressing", "InProgress"),
    _row("steady", _AT_REST, "True", "", "True", "Healthy", "Current"),
    _row("suspended, nothing pending", _AT_REST, "True", "Paused", "True", "Suspended", "Current"),
    _row("suspended, a revision pending", _AT_REST, "Unknown", "Paused", "Unknown", "Suspended", "InProgress"),
    _row("waiting for a part", _AT_REST, "Unknown", "Reconciling", "Unknown", "Progressing", "InProgress"),
    _row("analysing", ("Progressing",), "Unknown", "Reconciling", "Unknown", "Progressing", "InProgress"),
    _row("promoting", ("Promoting",), "Unknown", "Reconciling", "Unknown", "Progressing", "InProgress"),
    _row("rolling back", ("RollingBack",), "Unknown", "Reconciling", "Unknown", "Progressing", "InProgress"),
    _row("held by people", _RUNNING, "Unknown", "Reconciling Paused", "Unknown", "Suspended", "InProgress"),
    _row("held for want of metrics", _RUNNING, "Unknown", "Reconciling Paused", "Unknown", "Progressing", "InProgress",
         metrics_hold=True),
    _row("rolled back", ("RolledBack",), "False", "Stalled", "False", "Degraded", "Failed"),
    _row("invalid", ("Invalid",), "False", "Stalled", "Unknown False", "Degraded", "Failed"),
    _row("stuck", ("Initializing", *_RUNNING, "RollingBack"), "False", "Stalled", "Unknown", "Degraded", "Failed"),
    _row("stuck at rest", _AT_REST, "False", "Stalled", "Unknown", "Degraded", "Failed"),
    # A write, or the first look after a restart, has not come through; what will be said is not known yet.
    _row("unsettled", ("RolledBack", "Invalid"), "Unknown", "Reconciling", "Unknown False", "Progressing",
         "InProgress"),
)
# fmt: on

UNSEEN = "not looked at yet"
DELETING = "deleting"


def situation_of(obj: Mapping[str, Any]) -> Row | None:
    """The row that a Canary's phase and conditions belong to, or `None` when the table has no such row."""
    status = obj.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    abnormal = frozenset(name for name in ABNORMAL if name in conditions)
    hold = "Paused" in conditions and conditions["Paused"].get("reason") == METRICS_HOLD
    ready = conditions.get("Ready", {}).get("status")
    for row in MATRIX:
        shown = (row.ready, row.abnormal, row.metrics_hold) == (ready, abnormal, hold)
        if shown and status.get("phase") in row.phases:
            return row
    return None


def consistent(obj: Mapping[str, Any]) -> list[str]:
    """Every contradiction in a Canary's status, in words; none when all three judges say the right thing."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    malformed = [*_form(obj, conditions)]
    if malformed:
        return malformed
    try:
        verdicts = judge_all(obj)
    except kstatus.Unreadable as error:
        return [str(error)]
    if obj["metadata"].get("deletionTimestamp"):
        return [*_compare(DELETING, verdicts, "Progressing", Status.TERMINATING, ready=verdicts.wait_ready)]
    if _unseen(obj):
        found = _compare(UNSEEN, verdicts, "Progressing", Status.IN_PROGRESS, ready=False)
        return [*found, *(["kubectl wait for Promoted ends before anybody looked"] if verdicts.wait_promoted else [])]
    row = situation_of(obj)
    if row is None:
        shown = ", ".join(f"{c['type']}={c['status']} ({c['reason']})" for c in conditions)
        return [f"the table has no row for phase {obj['status'].get('phase')!r} with {shown}"]
    return [*_promoted(row, conditions), *_compare(row.situation, verdicts, row.argocd, row.flux, ready=row.wait_ready)]


def _unseen(obj: Mapping[str, Any]) -> bool:
    status = obj.get("status") or {}
    return bool(status.get("observedGeneration", -1) != obj["metadata"].get("generation"))


def _form(obj: Mapping[str, Any], conditions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = [c.get("type", "") for c in conditions]
    if len(set(names)) < len(names):
        yield f"a condition is there twice: {', '.join(names)}"
    if {"Reconciling", "Stalled"} <= set(names):
        yield "Reconciling and Stalled are both there"
    if conditions:
        yield from (f"{name} is missing" for name in ALWAYS if name not in names)
    for condition in conditions:
        yield from _condition_form(condition, obj["metadata"].get("generation", 0))


def _condition_form(condition: Mapping[str, Any], generation: int) -> Iterator[str]:
    name, status = condition.get("type"), condition.get("status")
    if name not in (*ABNORMAL, *ALWAYS, *ADVISORY):
        yield f"{name} is no condition of a Canary"
    if status not in _STATUSES:
        yield f"{name} is {status!r}"
    if name in (*ABNORMAL, *ADVISORY) and status != "True":
        yield f"{name} is {status}: it must be absent while it is not True"
    if not _REASON.fullmatch(condition.get("reason", "")):
        yield f"the reason of {name} is {condition.get('reason')!r}, which is no CamelCase word"
    if not condition.get("message"):
        yield f"{name} has no message"
    if not condition.get("lastTransitionTime"):
        yield f"{name} has no lastTransitionTime"
    if not 0 < condition.get("observedGeneration", 0) <= generation:
        yield f"{name} speaks of generation {condition.get('observedGeneration')}, the Canary is at {generation}"


def _promoted(row: Row, conditions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    promoted = next((c["status"] for c in conditions if c["type"] == "Promoted"), None)
    if promoted not in row.promoted:
        yield f"{row.situation}: Promoted is {promoted}, it may be {' or '.join(sorted(row.promoted))}"


def _compare(situation: str, verdicts: Verdicts, argocd: str, flux: Status, *, ready: bool) -> Iterator[str]:
    health = verdicts.argocd
    if health.status != argocd:
        yield f"{situation}: Argo CD says {health.status} ({health.message}), it should say {argocd}"
    if not health.message:
        yield f"{situation}: Argo CD has no message to show"
    if verdicts.flux is not flux:
        yield f"{situation}: Flux says {verdicts.flux}, it should say {flux}"
    if verdicts.wait_ready != ready:
        yield f"{situation}: kubectl wait for Ready {'ends' if verdicts.wait_ready else 'goes on'}"
