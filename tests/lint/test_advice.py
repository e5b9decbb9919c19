"""Advice in figures that can be worked out by hand.

Unless overridden: settle 10s, windows of 30s, warm-up 60s, 10 % for 10m, 50 % for 10m, and the last 100 % that services
mode adds. A hold of 10m has 19 full windows (590 / 30), which are 570 s; at 50 % that is 285 requests for each request
per second to the whole Service.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from canary.core.evidence import requests_to_show
from canary.core.plan import SURE_ENOUGH
from canary.lint.finding import Finding, Level
from canary.lint.limits import SCRAPE, SCRAPES
from canary.metrics.prometheus import counters
from canary.server.sources import DEFAULT_SCRAPE
from tests.lint.conftest import by_rule, look, make_canary, managed

Find = Callable[..., dict[str, Finding]]


def steps(*given: dict[str, Any]) -> dict[str, Any]:
    return {"steps": list(given)}


def success(least: str, **more: Any) -> dict[str, Any]:
    return {"analysis": {"metrics": [{"name": "success-rate", "min": least}], **more}}


def test_a_plan_that_holds_long_enough_gets_notes_alone(found: Find) -> None:
    assert {finding.level for finding in found().values()} == {Level.NOTE}
    assert found(rps=100).keys() == {"duration"}


# Durations.


@pytest.mark.parametrize(
    ("spec", "least", "timeout"),
    [
        # 60 + 600 + 600, and 10 + 30 at the added 100 %; 10 + 60 if the window begins late, and 10m for pods: 32m10s.
        ({}, "21m40s", "33m"),
        # A last step of one's own is held and judged like any other: 60 + 600 + 300, and 10m.
        (steps({"weight": 50, "hold": "10m"}, {"weight": 100, "hold": "5m"}), "16m", "26m"),
        # A hold that is too short lasts 40s all the same; 60 + 40 + 40, and 2 * 30 and 10m.
        (steps({"weight": 50, "hold": "5s"}), "2m20s", "14m"),
        # settle beyond the warm-up: 120 + (120 + 30) + (120 + 30); 2 * 30 and 10m more.
        ({"traffic": {"settle": "2m"}, **steps({"weight": 50})}, "7m", "18m"),
        # 60 + 10 * 60 + 40; a late window ends after 70s: 60 + 11 * 70 and 10m are 23m50s.
        ({"steps": None, "ramp": {"from": 5, "to": 50, "increment": 5, "hold": "1m"}}, "11m40s", "24m"),
        ({"progressDeadline": "1m"}, "21m40s", "24m"),
    ],
)
def test_how_long_a_rollout_takes(found: Find, spec: dict[str, Any], least: str, timeout: str) -> None:
    note = found(**spec)["duration"]
    assert note.message.startswith(f"a rollout takes {least} at best; a wait for it needs a timeout of {timeout} (")


def test_managed_mode_ends_with_a_window_of_the_stable_copy_and_waits_for_pods_twice() -> None:
    # 60 + 600 + 600 + 30; one window more, and 2 * 10m.
    note = by_rule(look(managed()))["duration"]
    assert note.message.startswith("a rollout takes 21m30s at best; a wait for it needs a timeout of 42m (")
    assert "argocd app wait --timeout 2520)" in note.message


def test_approvals_come_on_top(found: Find) -> None:
    plan = steps({"approval": "qa"}, {"weight": 10, "hold": "10m"}, {"approval": "prod"}, {"weight": 50, "hold": "10m"})
    message = found(**plan)["duration"].message
    assert "21m40s at best" in message
    assert "33m, and the time until approval qa and prod (" in message


def test_requests_that_must_be_there_take_their_time(found: Find) -> None:
    # 1,200 requests at 1 request/s are 40 windows: 60 + (10 + 40 * 30) + 40.
    plan = steps({"weight": 10, "hold": "10m", "minRequests": 1200})
    assert "a rollout takes 21m50s at best" in found(**plan, rps=10)["duration"].message


# Steps.


@pytest.mark.parametrize(("hold", "short"), [("39s", True), ("40s", False), ("1s", True)])
def test_a_hold_below_settle_and_one_window_decides_nothing(found: Find, hold: str, short: bool) -> None:
    findings = found(**steps({"weight": 10, "hold": hold}))
    assert ("short-hold" in findings) == short
    if short:
        assert findings["short-hold"].field == "spec.steps[0].hold"
        assert "take 40s" in findings["short-hold"].message


def test_a_step_without_a_hold_is_noted_but_for_the_last_100(found: Find) -> None:
    assert found(**steps({"weight": 10}, {"weight": 100}))["no-hold"].field == "spec.steps[0]"
    assert "no-hold" not in found(**steps({"weight": 10, "hold": "5m"}, {"weight": 100}))


@pytest.mark.parametrize(
    ("rps", "level", "words"),
    [
        # 570 s at 10 % are 57 requests for each request/s: 500 / 57 = 8.77.
        (None, Level.NOTE, "with fewer than 8.8 requests/s in all"),
        # 0.8 requests/s to the canary: 500 / 24 = 20.8 windows; 10 + 21 * 30 = 640 s.
        (8.0, Level.WARNING, "takes 21 windows at 0.8 requests/s to the canary: the step lasts 10m40s"),
        (9.0, None, ""),
    ],
)
def test_min_requests_that_the_hold_cannot_reach(
    found: Find, rps: float | None, level: Level | None, words: str
) -> None:
    findings = found(rps=rps, **steps({"weight": 10, "hold": "10m", "minRequests": 500}))
    finding = findings.get("min-requests")
    assert (finding.level if finding else None) == level
    assert words in (finding.message if finding else "")


@pytest.mark.parametrize(
    ("rps", "blind"),
    # 2m at 5 % are 3 windows, 90 s * 5 % = 4.5 requests for each request/s; minBad is 5: 1.11.
    [(1.1, True), (1.12, False)],
)
def test_a_step_that_cannot_have_enough_bad_requests_is_blind(found: Find, rps: float, blind: bool) -> None:
    findings = found(rps=rps, **steps({"weight": 5, "hold": "2m"}, {"weight": 50, "hold": "1h"}))
    assert ("blind-step" in findings) == blind
    if blind:
        assert findings["blind-step"].field == "spec.steps[0]"
        assert "about 4.9 requests in 1m30s" in findings["blind-step"].message


@pytest.mark.parametrize(
    ("rps", "words"),
    # A window at 10 % has 3 requests for each request/s; exp(-3) is 5.0 %, exp(-0.3) 74 %.
    [
        (1.0, ""),
        (0.99, "about 2.9 requests of the canary: 5.1% of the windows"),
        (0.1, "about 0.3 requests of the canary: 74%"),
    ],
)
def test_windows_without_requests_are_foreseen(found: Find, rps: float, words: str) -> None:
    finding = found(rps=rps).get("empty-windows")
    assert words in (finding.message if finding else "")
    assert bool(finding) == bool(words)


def test_the_steps_of_a_ramp_are_told_once(found: Find) -> None:
    report = look(make_canary(steps=None, ramp={"from": 5, "to": 50, "increment": 5, "hold": "5s"}), rps=0.1)
    told = [(finding.rule, finding.field) for finding in report.findings]
    assert sorted(set(told)) == sorted(told)
    assert by_rule(report)["short-hold"].field == "spec.ramp.hold"


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (steps({"weight": 100, "hold": "5m"}), "spec.steps[0]"),
        (steps({"approval": "qa"}), "spec.steps"),
        (steps({"weight": 1}, {"weight": 100}), ""),
    ],
)
def test_all_at_once_is_no_canary(found: Find, plan: dict[str, Any], field: str) -> None:
    finding = found(**plan).get("all-at-once")
    assert (finding.field if finding else "") == field


def test_a_step_of_100_is_for_nothing_in_managed_mode(found: Find) -> None:
    plan = steps({"weight": 50, "hold": "5m"}, {"weight": 100, "hold": "5m"})
    assert by_rule(look(managed(**plan)))["full-weight"].field == "spec.steps[1]"
    assert "full-weight" not in found(**plan)


# Limits.


@pytest.mark.parametrize(
    ("least", "enough"),
    # 409 requests for 1 %, 4,104 for 0.1 %, 81 for 5 %: by 285.
    [("99", "1.5"), ("99.9", "15"), ("95", "0.29")],
)
def test_the_traffic_that_a_limit_takes(found: Find, least: str, enough: str) -> None:
    note = found(**success(least))["limit-beyond-sample"]
    assert (note.level, note.field) == (Level.NOTE, "spec.analysis.metrics[0].min")
    assert f"with fewer than {enough} requests/s in all, no step below 100% has as many" in note.message


def test_what_is_learned_at_100_comes_too_late(found: Find) -> None:
    bake = steps({"weight": 1, "hold": "10m"}, {"weight": 100, "hold": "1h"})
    # 570 s at 1 %: 409 / 5.7 = 71.75.
    assert "with fewer than 72 requests/s in all" in found(**bake, **success("99"))["limit-beyond-sample"].message
    alone = steps({"weight": 100, "hold": "10m"})
    assert "with fewer than 0.72 requests/s in all" in found(**alone, **success("99"))["limit-beyond-sample"].message


def test_how_many_requests_a_limit_takes_is_what_the_analysis_says(found: Find) -> None:
    needed = requests_to_show(0.01, SURE_ENOUGH)
    assert needed == pytest.approx(409)
    assert (
        "min 99% takes 409 requests to show (confidence 95%)" in found(**success("99"))["limit-beyond-sample"].message
    )


def test_a_limit_beyond_the_traffic_is_a_warning_that_says_how_long_would_do(found: Find) -> None:
    # 1 request/s: 285 of 409. 409 / 0.5 are 818 s, 28 windows: 10 + 840 s.
    warning = found(rps=1.0, **success("99"))["limit-beyond-sample"]
    assert warning.level is Level.WARNING
    assert "no step below 100% has more than 285" in warning.message
    assert warning.message.endswith("50% has enough in 14m10s")
    assert "limit-beyond-sample" not in found(rps=1.44, **success("99"))


@pytest.mark.parametrize(
    ("metric", "field", "needed"),
    [
        ({"name": "late", "quantile": "p99", "max": "500ms"}, "max", "max 500ms takes 409 requests"),
        ({"name": "late", "quantile": "p90", "max": "500ms"}, "max", "max 500ms takes 39 requests"),
        ({"name": "slow", "slowerThan": "1s", "maxShare": "5"}, "maxShare", "takes 81 requests"),
    ],
)
def test_latency_is_a_share_of_slow_requests(metric: dict[str, Any], field: str, needed: str) -> None:
    analysis = {"source": "Prometheus", "interval": "1m", "metrics": [metric]}
    note = by_rule(look(make_canary(analysis=analysis)))["limit-beyond-sample"]
    assert note.field == f"spec.analysis.metrics[0].{field}"
    assert needed in note.message


def test_nothing_shows_that_none_fails(found: Find) -> None:
    assert "no number of requests" in found(rps=1e6, **success("100"))["limit-beyond-sample"].message


def test_a_default_metric_is_told_at_what_is_there(found: Find) -> None:
    assert found()["limit-beyond-sample"].place.line == 6  # spec


# What else stands in an analysis.


def test_latency_alone_lets_fast_failures_pass(found: Find) -> None:
    metrics = [{"name": "late", "quantile": "p99", "max": "500ms"}]
    assert found(analysis={"metrics": metrics})["no-success-rate"].field == "spec.analysis.metrics"
    assert "no-success-rate" not in found(analysis={"metrics": [*metrics, {"name": "ok", "min": 99}]})


def test_advancing_without_data_is_warned_of(found: Find) -> None:
    assert "after 5m without data" in found(analysis={"noData": {"action": "Advance"}})["advance-without-data"].message
    assert "advance-without-data" not in found(analysis={"noData": {"action": "Hold"}})


@pytest.mark.parametrize(
    ("source", "interval", "short"),
    [
        ("SMI", "29s", True),
        ("SMI", "30s", False),
        ("Prometheus", "59s", True),
        ("Prometheus", "1m", False),
        ("Proxies", "1s", False),
    ],
)
def test_windows_that_are_short_for_their_source(found: Find, source: str, interval: str, short: bool) -> None:
    assert ("short-window" in found(analysis={"source": source, "interval": interval})) == short


def test_what_is_taken_for_scrapes_is_what_the_controller_takes() -> None:
    assert (SCRAPES, SCRAPE) == (counters.SCRAPES, DEFAULT_SCRAPE)


def test_a_suspended_canary_is_noted(found: Find) -> None:
    assert found(suspend=True)["suspended"].field == "spec.suspend"


# Flux.


def kustomization(**spec: Any) -> dict[str, Any]:
    check = {"apiVersion": "canary.delivery/v1beta1", "kind": "Canary", "name": "web", "namespace": "shop"}
    whole = {"interval": "10m", "healthChecks": [check], **spec}
    return {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "spec": whole}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"timeout": "32m"}, "spec.timeout"),
        ({"timeout": "33m"}, ""),
        # Without a timeout it is the interval less 30s.
        ({"interval": "33m"}, "spec.interval"),
        ({"interval": "34m"}, ""),
        ({"timeout": "1m", "healthChecks": []}, ""),
        ({"timeout": "1m", "healthChecks": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}]}, ""),
        ({"timeout": "1m", "healthCheckExprs": [{"kind": "Canary"}]}, ""),
        ({"timeout": 5, "interval": None, "healthChecks": [5]}, ""),
    ],
)
def test_a_kustomization_that_waits_too_short_is_warned_of(spec: dict[str, Any], field: str) -> None:
    finding = by_rule(look(kustomization(**spec), make_canary())).get("short-timeout")
    assert (finding.field if finding else "") == field


def test_a_kustomization_is_found_in_another_file() -> None:
    from canary.lint.check import Source, lint

    texts = [yaml.safe_dump(each).encode() for each in (kustomization(timeout="5m"), make_canary())]
    report = lint([Source(f"{number}.yaml", text) for number, text in enumerate(texts)])
    assert by_rule(report)["short-timeout"].file == "0.yaml"
