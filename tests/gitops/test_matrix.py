"""Every situation of the table, as the controller reports it, and what the three judges make of it."""

from __future__ import annotations

from typing import Any

import pytest

from canary.core.decision import Decision, Outlook
from canary.core.observed import Side, revision_name
from canary.core.phases import Phase
from canary.sandbox.judges import MATRIX, consistent, judge_all, situation_of

NEW = revision_name("shop-v2", ("bbb",))
TRIED = {"phase": Phase.PROGRESSING, "step": 1, "weight": 5, "canary": "shop-v2", "revision": NEW}
LAST = {**TRIED, "phase": Phase.PROMOTING, "step": 3, "weight": 100}
PROMOTED = {"phase": Phase.PROMOTED, "serving": "shop-v2", "promoted": NEW, "revision": NEW}
BACK = {"phase": Phase.ROLLED_BACK, "revision": NEW, "canary": "shop-v2", "rejected": (NEW,), "reason": "CheckFailed"}
SUSPENDED = {"suspend": True}
UNANSWERED = Decision(outlook=Outlook("WaitingForTrafficSplit", "the API server does not answer: timeout"))
REFUSED = Decision(outlook=Outlook("TrafficWriteRefused", "the API server refuses the write", blocked=True))
MISSING = {"shop-v1": Side("shop-v1", ready=1, hashes=("aaa",)), "shop-v2": Side("shop-v2", exists=False)}
FAILING = {"answered": False, "failing_since": 900.0, "source_reason": "503"}
OUTAGE = {**FAILING, "failing_since": 10.0}

# situation, state (None: nothing decided yet), more of the world, Argo CD, Flux, kubectl wait for Promoted
CASES: tuple[tuple[str, dict[str, Any] | None, dict[str, Any], str, str, bool], ...] = (
    ("initializing", None, {"split": None, "split_known": False}, "Progressing", "InProgress", False),
    ("initializing", None, {"split": None, "root_problem": "no Service"}, "Progressing", "InProgress", False),
    ("steady", PROMOTED, {}, "Healthy", "Current", True),
    ("steady", {"phase": Phase.IDLE}, {"plan": {"canary": "shop-v1", "stable": "shop-v0"}}, "Healthy", "Current", True),
    ("suspended, nothing pending", PROMOTED, {"plan": SUSPENDED}, "Suspended", "Current", True),
    ("suspended, a revision pending", {"phase": Phase.IDLE}, {"plan": SUSPENDED}, "Suspended", "InProgress", False),
    ("waiting for a part", {"phase": Phase.IDLE}, {"sides": MISSING}, "Progressing", "InProgress", False),
    ("analysing", TRIED, {}, "Progressing", "InProgress", False),
    ("analysing", TRIED, {"memory": FAILING}, "Progressing", "InProgress", False),
    ("promoting", LAST, {}, "Progressing", "InProgress", False),
    ("rolling back", {**TRIED, "phase": Phase.ROLLING_BACK, "weight": 0}, {"decision": UNANSWERED}, "Progressing",
     "InProgress", False),
    ("held by people", {**TRIED, "step": 2}, {}, "Suspended", "InProgress", False),
    ("held by people", {**TRIED, "pause": "Paused"}, {}, "Suspended", "InProgress", False),
    ("held by people", {**TRIED, "pause": "ManualWeight"}, {}, "Suspended", "InProgress", False),
    ("held by people", TRIED, {"plan": SUSPENDED}, "Suspended", "InProgress", False),
    ("held for want of metrics", TRIED, {"memory": OUTAGE}, "Progressing", "InProgress", False),
    ("rolled back", BACK, {}, "Degraded", "Failed", False),
    ("invalid", {"phase": Phase.IDLE}, {"invalid": "spec.steps: must ascend"}, "Degraded", "Failed", False),
    ("invalid", BACK, {"invalid": "spec.steps: must ascend"}, "Degraded", "Failed", False),
    ("stuck", TRIED, {"target_problem": "no workload found"}, "Degraded", "Failed", False),
    ("stuck", {**TRIED, "phase": Phase.ROLLING_BACK}, {"decision": REFUSED}, "Degraded", "Failed", False),
    ("stuck at rest", {"phase": Phase.IDLE}, {"sides": MISSING, "memory": {"waiting_since": 10.0}}, "Degraded",
     "Failed", False),
    ("unsettled", BACK, {"decision": UNANSWERED}, "Progressing", "InProgress", False),
)  # fmt: skip


@pytest.mark.parametrize(
    ("situation", "state", "world", "argocd", "flux", "promoted"),
    CASES,
    ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)],
)
def test_the_judges_say_of_a_situation_what_the_table_promises(
    show: Any, situation: str, state: Any, world: Any, argocd: str, flux: str, promoted: bool
) -> None:
    canary = show(state, **world)
    verdicts = judge_all(canary)
    row = situation_of(canary)
    assert row is not None
    assert (row.situation, consistent(canary)) == (situation, [])
    assert (verdicts.argocd.status, verdicts.flux.value, verdicts.wait_promoted) == (argocd, flux, promoted)


def test_every_row_of_the_table_has_a_case() -> None:
    assert {case[0] for case in CASES} == {row.situation for row in MATRIX}


def test_no_two_rows_claim_the_same_conditions_in_the_same_phase() -> None:
    claims = [(p, r.ready, r.abnormal, r.metrics_hold) for r in MATRIX for p in r.phases]
    assert len(claims) == len(set(claims))


@pytest.mark.parametrize("state", [None, PROMOTED, TRIED, BACK])
def test_a_canary_that_is_being_deleted_is_in_progress_for_everybody(show: Any, state: Any) -> None:
    canary = show(state, deleting=True, decision=Decision(outlook=Outlook("Deleting", "traffic stays")))
    verdicts = judge_all(canary)
    assert consistent(canary) == []
    assert {c["type"]: c["status"] for c in canary["status"]["conditions"]}["Reconciling"] == "True"
    assert (verdicts.argocd.status, verdicts.flux.value) == ("Progressing", "Terminating")


def test_a_canary_that_nobody_has_looked_at_is_in_progress_for_everybody() -> None:
    canary = {"metadata": {"generation": 1}, "status": {"observedGeneration": -1}}
    verdicts = judge_all(canary)
    assert (verdicts.argocd.status, verdicts.flux.value, verdicts.wait_promoted) == ("Progressing", "InProgress", False)
    assert consistent(canary) == []


def test_an_edited_spec_is_in_progress_until_it_was_looked_at(show: Any) -> None:
    canary = show(PROMOTED)
    canary["metadata"]["generation"] += 1
    verdicts = judge_all(canary)
    assert (verdicts.argocd.status, verdicts.flux.value, verdicts.wait_promoted) == ("Progressing", "InProgress", False)
    assert consistent(canary) == []


def test_without_the_default_of_the_status_flux_would_call_a_new_canary_finished() -> None:
    assert consistent({"metadata": {"generation": 1}}) == [
        "not looked at yet: Flux says Current, it should say InProgress"
    ]


def _with(canary: dict[str, Any], condition: str, **fields: Any) -> dict[str, Any]:
    others = [c for c in canary["status"]["conditions"] if c["type"] != condition]
    old = next((c for c in canary["status"]["conditions"] if c["type"] == condition), others[0])
    canary["status"]["conditions"] = [*others, {**old, "type": condition, **fields}]
    return canary


@pytest.mark.parametrize(
    ("condition", "fields", "complaint"),
    [
        ("Stalled", {"status": "True"}, "Reconciling and Stalled are both there"),
        ("Paused", {"status": "False"}, "Paused is False: it must be absent while it is not True"),
        ("Promoted", {"status": "True"}, "analysing: Promoted is True, it may be Unknown"),
        ("Ready", {"status": "True"}, "the table has no row for phase 'Progressing'"),
        ("Ready", {"observedGeneration": 9}, "Ready speaks of generation 9, the Canary is at 3"),
        ("Ready", {"reason": "not a word"}, "the reason of Ready is 'not a word', which is no CamelCase word"),
        ("Happy", {}, "Happy is no condition of a Canary"),
    ],
)
def test_a_contradiction_is_named(show: Any, condition: str, fields: dict[str, Any], complaint: str) -> None:
    found = consistent(_with(show(TRIED), condition, **fields))
    assert [text for text in found if text.startswith(complaint)], found
