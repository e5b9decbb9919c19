"""Advice on tests by evidence, with the plan and the figures of the other advice.

A success rate of 99 % takes 409 requests in each step. At 10 requests/s the canary has one each second at 10 %, and
five at 50 %.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.lint.finding import Finding, Level
from tests.lint.conftest import by_rule, look, make_canary

Find = Callable[..., dict[str, Finding]]
NEXT = {"weight": 50, "hold": "10m"}


def success(**more: Any) -> dict[str, Any]:
    return {"name": "success-rate", "min": "99", "compare": "Stable", **more}


def slow(**more: Any) -> dict[str, Any]:
    return {"name": "latency", "quantile": "p99", "max": "500ms", "compare": "Stable", **more}


def compared(*metrics: dict[str, Any], **analysis: Any) -> dict[str, Any]:
    return {"analysis": {"metrics": [*metrics], **analysis}}


# The sample.


@pytest.mark.parametrize("metric", [success(), success(compare=None, mode="Sequential")])
def test_the_traffic_with_which_no_step_waits_for_its_sample(found: Find, metric: dict[str, Any]) -> None:
    metric = {name: value for name, value in metric.items() if value is not None}
    # 570 s at 10 %: 409 / 57 = 7.18; the second step has enough with less.
    note = found(**compared(metric))["sample-beyond-hold"]
    assert (note.level, note.field) == (Level.NOTE, "spec.analysis.metrics[0].min")
    assert "takes 409 requests in each step: with fewer than 7.2 requests/s in all" in note.message


def test_a_step_that_waits_for_its_sample(found: Find) -> None:
    plan = {"steps": [{"weight": 10, "hold": "5m"}, NEXT]}
    # 409 / 30 are 14 windows: 10 + 420 s.
    warning = found(rps=10, **plan, **compared(success()))["sample-beyond-hold"]
    assert warning.level is Level.WARNING
    assert warning.message.endswith("at 10% they are there after 7m10s, and the hold is 5m")
    # 15 requests/s are 45 a window: 10 windows, 10 + 300 s.
    assert "after 5m10s" in found(rps=15, **plan, **compared(success()))["sample-beyond-hold"].message
    assert "sample-beyond-hold" not in found(rps=16, **plan, **compared(success()))
    just = {"steps": [{"weight": 10, "hold": "5m10s"}, NEXT]}
    assert "sample-beyond-hold" not in found(rps=15, **just, **compared(success()))


def test_a_limit_that_is_tested_is_not_said_to_pass_unseen(found: Find) -> None:
    assert "limit-beyond-sample" not in found(**compared(success()))


def test_the_sample_counts_for_how_long_a_rollout_takes(found: Find) -> None:
    plan = {"steps": [{"weight": 10, "hold": "5m"}, NEXT]}
    # 60 + 430 + 600 + 40; the last 100 is a promotion, which waits for no sample.
    assert "takes 18m50s at best" in found(rps=10, **plan, **compared(success()))["duration"].message


@pytest.mark.parametrize(
    ("rps", "least"),
    # 3 windows a step: 60 + 100 + 100 + 40. The sample takes 14 windows at 1/s, and 3 at 5/s: 60 + 430 + 100 + 40.
    [(None, "5m"), (10, "10m30s")],
)
def test_steps_that_may_end_early_make_it_shorter_at_best(found: Find, rps: float | None, least: str) -> None:
    duration = found(rps=rps, **compared(success(), early=True))["duration"]
    # The timeout is for a rollout in which nothing ends early.
    assert duration.message.startswith(f"a rollout takes {least} at best; a wait for it needs a timeout of 33m (")


# What shows.


def test_what_a_step_can_show(found: Find) -> None:
    plan = {"steps": [{"weight": 10, "hold": "5m10s"}]}
    # 5 min at 100 requests/s and weight 10: a row "size" of docs/analysis.md says 2.49 %.
    note = found(rps=100, **plan, **compared(success()))["detectable"]
    assert (note.level, note.field) == (Level.NOTE, "spec.analysis.metrics[0].compare")
    assert note.message == "10% for 5m shows 2.5% or more where stable has 1%"


def test_the_step_that_shows_most_is_told(found: Find) -> None:
    plan = {
        "steps": [{"weight": 10, "hold": "5m10s"}, {"weight": 50, "hold": "5m10s"}, {"weight": 99, "hold": "5m10s"}]
    }
    # Half of the requests tell most: 1.97 % by the same table.
    assert found(rps=100, **plan, **compared(success()))["detectable"].message.startswith("50% for 5m shows 2% ")


def test_a_step_that_waits_for_its_sample_shows_more(found: Find) -> None:
    plan = {"steps": [{"weight": 10, "hold": "5m10s"}]}
    message = found(rps=10, **plan, **compared(success()))["detectable"].message
    assert message.startswith("10% for 7m shows ")
    assert f"`{message}`" in (Path(__file__).parents[2] / "docs" / "lint.md").read_text("utf-8")


def test_a_limit_by_evidence_needs_no_stable_side(found: Find) -> None:
    plan = {"steps": [{"weight": 10, "hold": "5m10s"}]}
    note = found(rps=100, **plan, **compared({"name": "ok", "min": "99", "mode": "Sequential"}))["detectable"]
    assert note.field == "spec.analysis.metrics[0].mode"
    assert note.message == "10% for 5m shows 2.1% or more where 1% are allowed"


def test_without_a_traffic_that_for_a_five_fold_rise_is_told(found: Find) -> None:
    plan = {"steps": [{"weight": 10, "hold": "5m10s"}]}
    note = found(**plan, **compared(success()))["detectable"]
    words = "with fewer than "
    assert note.message.startswith(words)
    rps = float(note.message.removeprefix(words).partition(" ")[0])
    assert found(rps=rps, **plan, **compared(success()))["detectable"].message.endswith("or more where stable has 1%")
    shown = [found(rps=r, **plan, **compared(success()))["detectable"].message.split()[4] for r in (rps, 0.9 * rps)]
    assert float(shown[0].rstrip("%")) <= 5.0 < float(shown[1].rstrip("%"))


@pytest.mark.parametrize("rps", [None, 1000.0])
def test_steps_of_too_few_windows_show_nothing(found: Find, rps: float | None) -> None:
    plan = {"steps": [{"weight": 10, "hold": "40s"}, {"weight": 50, "hold": "69s"}]}
    findings = found(rps=rps, **plan, **compared(success(), interval="30s"))
    assert (
        findings["blind-comparison"].message == "no step below 100% shows even a canary of which every request is bad"
    )
    assert "has room for 1 window, and no fewer than 2 decide" in findings["short-hold"].message


def test_two_windows_are_enough_to_decide(found: Find) -> None:
    plan = {"steps": [{"weight": 10, "hold": "70s"}, NEXT]}
    assert "short-hold" not in found(**plan, **compared(success()))
    # Shorter windows must be three: 10 + 3 * 10 = 40.
    short = {"steps": [{"weight": 10, "hold": "39s"}, NEXT], **compared(success(), interval="10s")}
    assert "no fewer than 3 decide" in found(**short)["short-hold"].message


def test_a_step_that_waits_for_its_sample_has_windows_enough(found: Find) -> None:
    plan = {"steps": [{"weight": 10, "hold": "40s"}, NEXT]}
    assert "short-hold" in found(**plan, **compared(success()))
    assert "short-hold" not in found(rps=10, **plan, **compared(success()))


def test_at_100_no_comparison_is_waited_for(found: Find) -> None:
    assert "short-hold" not in found(steps=[NEXT, {"weight": 100, "hold": "40s"}], **compared(success()))


def test_a_quantile_takes_ten_windows(found: Find) -> None:
    # docs/analysis.md, row A10. 10 + 10 * 30 = 310 s.
    plan = {"steps": [{"weight": 50, "hold": "5m9s"}]}
    warning = found(**plan, **compared(slow()))["blind-comparison"]
    assert "is shown by 10 windows in a row (5m), and no step below 100% has more than 9" in warning.message
    assert "blind-comparison" not in found(steps=[{"weight": 50, "hold": "5m10s"}], **compared(slow()))


def test_a_quantile_of_few_requests_cannot_be_compared(found: Find) -> None:
    # A p99 takes 200 requests in a window: 10 requests/s have 150 of 50 %.
    assert found(rps=10, **compared(slow()))["blind-comparison"].message.endswith("150 requests are too few for a p99")
    assert "blind-comparison" not in found(rps=14, **compared(slow()))


def test_a_comparison_of_one_callers_requests_gets_no_figures(found: Find) -> None:
    seen = success(**{"from": {"kind": "Deployment", "name": "checkout"}})
    plain = {name: value for name, value in seen.items() if name != "compare"}
    for metric in (seen, plain):
        figures = {"sample-beyond-hold", "detectable", "limit-beyond-sample"}
        assert figures & found(rps=0.1, **compared(metric)).keys() == set()


# What is asked for.


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (success(tolerance=0), "for a difference that nobody notices"),
        (success(tolerance="0.0"), "for a difference that nobody notices"),
        (success(tolerance=1), ""),
        (slow(tolerance=5), "with a tolerance of 10"),
        (slow(tolerance=10), ""),
        (slow(), ""),
    ],
)
def test_a_tolerance_that_is_none(found: Find, metric: dict[str, Any], words: str) -> None:
    finding = found(**compared(metric)).get("small-tolerance")
    assert words in (finding.message if finding else "")
    assert bool(finding) == bool(words)


@pytest.mark.parametrize(("confidence", "words"), [("80", "up to 20 of 100 healthy releases"), ("90", ""), (None, "")])
def test_a_low_confidence(found: Find, confidence: str | None, words: str) -> None:
    finding = found(**compared(success(), **({"confidence": confidence} if confidence else {}))).get("low-confidence")
    assert words in (finding.message if finding else "")
    assert bool(finding) == bool(words)


def test_at_100_there_is_nothing_to_compare_with(found: Find) -> None:
    plan = {"steps": [{"weight": 10, "hold": "10m"}, {"weight": 100, "hold": "10m"}]}
    assert found(**plan, **compared(success()))["no-comparison"].field == "spec.steps[1]"
    assert "no-comparison" not in found(**plan)


def test_more_tests_share_the_confidence() -> None:
    plan = {"steps": [{"weight": 10, "hold": "5m10s"}]}
    metrics = [success(), success(name="again", min="99")]
    alone, shared = (by_rule(look(make_canary(**plan, **compared(*some)), rps=10)) for some in (metrics[:1], metrics))
    assert alone["detectable"].message != shared["detectable"].message
