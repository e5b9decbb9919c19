"""Rollouts from the first step to the last on a real API server, by the controller as it is installed."""

from __future__ import annotations

import json
import subprocess
import sys

from e2e.shop import FAILING, HELD, NEW, OLD, SLOW, THREE, WORKING, Shop
from e2e.smi_wire import Numbers


def canary(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line tool, as an administrator."""
    command = [sys.executable, "-m", "canary", *arguments, "--namespace", shop.namespace]
    return subprocess.run(
        [*command, f"--kubeconfig={shop.plane.kubeconfig()}"], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_good_release_is_promoted(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(**THREE)
    shop.until_told("Promoted")
    assert shop.raised() == [0, 20, 60, 100]
    assert shop.weights() == {NEW: 100}
    assert shop.condition("Promoted") == ("True", "Serving")
    assert shop.reasons()[-1] == "Promoted"


def test_the_way_back_is_a_rollout_like_any_other(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(steps=[{"weight": 100, "hold": "1s"}])
    shop.until_told("Promoted")
    shop.patch_spec({"backends": {"stable": NEW, "canary": OLD}})
    shop.until(lambda: shop.weights() == {OLD: 100}, "way back")
    shop.until_told("Promoted")
    assert [entry.outcome for entry in shop.status().history] == ["Promoted", "Promoted"]


def test_errors_roll_back(shop: Shop) -> None:
    shop.open()
    shop.numbers(NEW, FAILING)
    shop.start()
    shop.roll_out()
    shop.until_told("RolledBack")
    assert shop.raised() == [0, 20, 0]
    assert shop.weights() == {OLD: 100}
    assert shop.status().failed_windows == 3
    assert shop.condition("Stalled") == ("True", "CheckFailed")


def test_errors_that_only_one_caller_sees_roll_back(shop: Shop) -> None:
    """By the edges of the SMI metrics API: to everybody else the release is a good one."""
    shop.open()
    for name, numbers in ((OLD, WORKING), (NEW, FAILING)):
        shop.smi.see(shop.namespace, "checkout", name, numbers)
    shop.start()
    seen = {"name": "seen", "min": "99", "from": {"kind": "Deployment", "name": "checkout"}}
    shop.roll_out(analysis={"interval": "1s", "warmup": "0s", "metrics": [{"name": "success-rate", "min": "99"}, seen]})
    shop.until_told("RolledBack")
    assert shop.raised() == [0, 20, 0]
    assert "seen by Deployment checkout 80% is below 99%" in shop.condition_message("Stalled")


def test_latency_rolls_back_from_a_later_step(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(**THREE)
    shop.until_weight(60)
    shop.numbers(NEW, SLOW)
    shop.until_told("RolledBack")
    assert shop.weights() == {OLD: 100}
    assert any("latency p99 900ms" in note for reason, note in shop.events() if reason == "RollbackStarted")


def test_one_window_beyond_rollback_at_is_enough(shop: Shop) -> None:
    shop.open()
    shop.numbers(NEW, Numbers(rate=100, errors=0.6))
    shop.start()
    metrics = [{"name": "success-rate", "min": "99", "rollbackAt": "50"}]
    shop.roll_out(analysis={"interval": "1s", "warmup": "0s", "failureLimit": 100, "metrics": metrics})
    shop.until_told("RolledBack")
    assert shop.status().failed_windows == 1


def test_few_bad_requests_are_no_breach(shop: Shop) -> None:
    shop.open()
    # Each window has two bad requests of a hundred; a step has two windows.
    shop.numbers(NEW, Numbers(rate=100, errors=0.02))
    shop.start()
    analysis = {"interval": "1s", "warmup": "0s", "failureLimit": 1, "minBad": 1000}
    shop.roll_out(steps=[{"weight": 100, "hold": "1s"}], analysis=analysis)
    shop.until_weight(100)
    shop.until(lambda: any(m.verdict != "Healthy" for m in shop.status().metrics) or shop.phase() != "Progressing", "")
    assert shop.phase() != "RolledBack"


def test_a_rollout_waits_for_an_approval_and_goes_on_with_it(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(steps=[{"weight": 20, "hold": "1s"}, {"approval": "prod"}, {"weight": 100, "hold": "1s"}])
    shop.until(lambda: shop.condition("Paused") == ("True", "WaitingForApproval"), "wait for the approval")
    assert shop.weight() == 20
    done = canary(shop, "approve", "web", "prod")
    assert done.returncode == 0, done.stderr
    shop.until_told("Promoted")
    assert {"ApprovalWaiting", "Approved", "Promoted"} <= set(shop.reasons())


def test_an_answered_command_is_taken_off_the_canary(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(**HELD)
    shop.until_weight(20)
    shop.until_told("Progressing")
    shop.command("pause")
    shop.until(lambda: shop.condition("Paused") == ("True", "Paused"), "pause")
    shop.until(lambda: "canary.delivery/command" not in shop.annotations(), "removal of the annotation")
    shop.command("promote-full")
    shop.until_told("Promoted")


def test_an_abort_takes_the_traffic_back_and_a_retry_tries_again(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(**HELD)
    shop.until_weight(20)
    done = canary(shop, "abort", "web")
    assert done.returncode == 0, done.stderr
    shop.until_told("RolledBack")
    assert shop.weights() == {OLD: 100}
    shop.patch_spec({"steps": [{"weight": 100, "hold": "1s"}]})
    done = canary(shop, "retry", "web")
    assert done.returncode == 0, done.stderr
    shop.until_told("Promoted")
    outcomes = [(entry.outcome, entry.reason) for entry in shop.status().history]
    assert outcomes == [("Promoted", "Promoted"), ("RolledBack", "Aborted")]


def test_a_rejected_revision_is_not_tried_again_by_itself(shop: Shop) -> None:
    shop.open()
    shop.numbers(NEW, Numbers(rate=100, errors=1.0))
    shop.start()
    metrics = [{"name": "success-rate", "min": "99", "rollbackAt": "50"}]
    shop.roll_out(analysis={"interval": "1s", "warmup": "0s", "metrics": metrics})
    shop.until_told("RolledBack")
    shop.numbers(NEW, WORKING)
    shop.patch_spec({"backends": {"stable": OLD, "canary": OLD}}, refused=True)
    shop.patch_spec({"revision": "again"})
    shop.until(lambda: shop.status().observed_generation == 2, "look at the new spec")
    assert shop.phase() == "RolledBack"
    shop.new_revision()
    shop.until_told("Promoted")


def test_a_new_revision_in_the_middle_starts_over_at_nothing(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(**THREE)
    shop.until_weight(60)
    first = shop.revision()
    shop.new_revision()
    shop.until(lambda: shop.weight() == 0, "weight 0 for the new revision")
    shop.until_told("Promoted")
    assert shop.revision() != first
    assert shop.raised() == [0, 20, 60, 0, 20, 60, 100]


def test_nothing_is_judged_by_the_windows_of_another_revision(shop: Shop) -> None:
    shop.open()
    shop.numbers(NEW, FAILING)
    shop.start()
    shop.roll_out(analysis={"interval": "1s", "warmup": "0s", "failureLimit": 2})
    shop.until(lambda: shop.failed() == 1, "first breach")
    shop.new_revision()
    shop.numbers(NEW, WORKING)
    shop.until_told("Promoted")
    assert shop.status().failed_windows == 0


def test_edited_steps_never_raise_by_themselves(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(steps=[{"weight": 50, "hold": "2m"}])
    shop.until_weight(50)
    shop.patch_spec(
        {"steps": [{"weight": 10, "hold": "1s"}, {"weight": 40, "hold": "1s"}, {"weight": 100, "hold": "1s"}]}
    )
    shop.until_told("Promoted")
    assert shop.raised() == [0, 50, 100]
    assert any("step 2 of 3" in note for reason, note in shop.events() if reason == "StepsChanged")


def test_a_suspended_canary_starts_nothing_until_it_may(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(suspend=True, steps=[{"weight": 100, "hold": "1s"}])
    shop.until(lambda: shop.condition("Paused") == ("True", "Suspended"), "suspended")
    assert shop.raised() == [0]
    shop.patch_spec({"suspend": False})
    shop.until_told("Promoted")


def test_everything_may_be_applied_in_one_go_and_in_any_order(shop: Shop) -> None:
    shop.start()
    shop.roll_out(steps=[{"weight": 100, "hold": "1s"}])
    shop.until(lambda: shop.condition("Reconciling")[1] == "WaitingForService", "wait for the Services")
    shop.open()
    shop.until_told("Promoted")


def test_the_end_of_a_rollout_is_there_for_programs(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(revision="2.0", steps=[{"weight": 100, "hold": "1s"}])
    done = canary(shop, "wait", "web", "--revision", "2.0", "--timeout", "30s")
    assert done.returncode == 0, done.stderr + done.stdout
    assert shop.weights() == {NEW: 100}
    shown = json.loads(canary(shop, "get", "web", "-o", "json").stdout)
    assert shown["status"]["promotedRevision"] == "2.0"
