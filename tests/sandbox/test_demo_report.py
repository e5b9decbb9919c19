"""What the demo makes of scripted commits and requests: measurements, tables, lines, and pictures."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from canary.api.status import CanaryStatus, MetricStatus
from canary.core.phases import Phase
from canary.core.plan import Stage
from canary.core.state import State, encode_state
from canary.sandbox.apiserver.commitlog import Commit
from canary.sandbox.app import App
from canary.sandbox.demo.lines import Lines, changes
from canary.sandbox.demo.measure import Rescue, Result, measure
from canary.sandbox.demo.picture import MAX_EVENTS, Event, Picture, after
from canary.sandbox.demo.report import ending, problem, report
from canary.sandbox.demo.scenario import SCENES
from canary.sandbox.demo.screen import Screen, screen
from canary.sandbox.demo.view import Moment
from canary.sandbox.load import Outcome, Tally

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
GOOD, BROKEN, SLOW = SCENES


def commit(new: dict[str, Any] | None, at: float = 0.0, plural: str = "trafficsplits", **fields: Any) -> Commit:
    values = {
        "resource_version": 1,
        "monotonic": at,
        "wall": EPOCH + timedelta(seconds=at),
        "verb": "update",
        "group": "",
        "plural": plural,
        "subresource": "",
        "namespace": "shop",
        "name": "podinfo",
        "user_agent": "",
        "manager": "",
        "old": None,
        "new": new,
    }
    return Commit(**{**values, **fields})


def split(at: float = 0.0, namespace: str = "shop", **state: Any) -> Commit:
    """A write of the split by the controller at `at`."""
    known = State(**{"seq": 1, "serving": "podinfo-v2", "canary": "podinfo-v3", "phase": Phase.PROGRESSING, **state})
    backends = [
        {"service": known.canary, "weight": known.weight},
        {"service": known.serving, "weight": 100 - known.weight},
    ]
    annotations = {"canary.delivery/state": encode_state(known)}
    new = {"metadata": {"annotations": annotations}, "spec": {"backends": backends[not known.weight :]}}
    return commit(new, at, namespace=namespace)


def wall(at: float) -> float:
    return EPOCH.timestamp() + at


def rollback(**final: Any) -> list[Commit]:
    """Weight 10 at 10 s, a first breach at 14 s written at 14.1 s, a second one at 16 s, weight 0 at 16.2 s."""
    over = {"reason": "CheckFailed", "note": "success-rate 80% is below 99%", "failed": 2, "window": wall(16), **final}
    return [
        split(9, weight=0),
        split(10, weight=10),
        split(14.1, weight=10, failed=1, window=wall(14)),
        split(16.2, phase=Phase.ROLLING_BACK, **over),
        split(16.3, phase=Phase.ROLLED_BACK, **over),
    ]


def outcome(at: float, version: str = "2", status: int = 200, seconds: float = 0.15) -> Outcome:
    return Outcome(at, version, status, seconds)


def result(**overrides: Any) -> Result:
    values = {
        "scene": BROKEN,
        "phase": Phase.ROLLED_BACK,
        "reason": "CheckFailed",
        "note": "success-rate 80% is below 99%",
        "peak": 10,
        "seconds": 6.2,
        "rescue": Rescue(2.2, 0.012),
        "requests": 500,
        "failed": 13,
        "slow": 0,
    }
    return Result(**{**values, **overrides})


def text_of(lines: list[Any]) -> str:
    return "\n".join(line.plain for line in lines)


def test_a_rollback_is_timed_from_the_answers_to_the_commit_with_weight_0():
    rescue = measure(BROKEN, "podinfo-v3", rollback(), []).rescue
    assert rescue is not None
    assert rescue.first_breach == pytest.approx(2.2)
    assert rescue.decided == pytest.approx(0.2)


def test_the_time_on_trial_is_that_in_which_the_canary_had_weight():
    measured = measure(BROKEN, "podinfo-v3", rollback(), [])
    assert measured.seconds == pytest.approx(6.2)
    assert measured.peak == 10


def test_requests_count_from_the_first_weight_to_the_last_and_those_that_a_canary_still_got():
    outcomes = [
        outcome(9.5, status=500),
        outcome(11.0),
        outcome(12.0, "3", 500),
        outcome(13.0, "", 0),
        outcome(14.0, "3", seconds=0.5),
        outcome(16.25, "3", 500),
        outcome(17.0, status=500),
    ]
    measured = measure(BROKEN, "podinfo-v3", rollback(), outcomes)
    assert (measured.requests, measured.failed, measured.slow) == (5, 3, 1)


def test_a_promotion_ends_when_the_canary_serves():
    commits = [
        split(5, weight=0, canary="podinfo-v2", serving="podinfo-v1"),
        split(6, weight=10, canary="podinfo-v2", serving="podinfo-v1"),
        split(9, weight=100, canary="podinfo-v2", serving="podinfo-v1"),
        split(11, weight=0, canary="", serving="podinfo-v2", phase=Phase.PROMOTED),
    ]
    measured = measure(GOOD, "podinfo-v2", commits, [outcome(8.0, "1")])
    assert measured.right
    assert (measured.peak, measured.seconds, measured.requests, measured.rescue) == (100, 5, 1, None)


def test_a_rollout_without_any_commit_is_not_right():
    measured = measure(GOOD, "podinfo-v2", [], [outcome(1.0)])
    assert not measured.right
    assert (measured.phase, measured.requests) == (None, 0)


@pytest.mark.parametrize(
    "changed",
    [{"phase": Phase.PROMOTED}, {"phase": None}, {"reason": "Aborted"}, {"note": "latency p99 is above 400ms"}],
    ids=str,
)
def test_a_rollback_is_right_only_for_the_metric_that_was_staged(changed):
    assert result().right
    assert not result(**changed).right


def test_the_report_shows_requests_by_version_rollouts_and_the_time_to_weight_0():
    requests = {"": Tally(0, 1), "2": Tally(990, 10)}
    shown = text_of(report([result(), result(scene=GOOD, phase=Phase.PROMOTED, rescue=None, failed=0)], requests))
    rows = [" ".join(line.split()) for line in shown.splitlines()]
    assert "v2 990 10 1.00%" in rows
    assert "(nobody) 0 1 100.00%" in rows
    assert "v3 rolled back 10% 6.2s 13 of 500 (2.60%) 0 of 500 (0.00%)" in rows
    assert "v3 2.2s 12ms success-rate 80% is below 99%" in rows
    assert sum(row.startswith("v2 ") for row in rows) == 2


def test_a_report_without_rollbacks_has_no_table_of_them():
    assert "Rollbacks" not in text_of(report([result(rescue=None)], {}))


def test_the_problem_names_what_ended_wrong_and_what_was_not_played():
    assert problem([result()], 1) == ""
    wrong = result(scene=SLOW, phase=Phase.PROMOTED, note="")
    assert problem([wrong], 2) == (
        "v4 must be rolled back for its latency, but promoted (CheckFailed); 1 of 2 rollouts were not played"
    )


def test_an_ending_tells_how_fast_traffic_was_back():
    assert ending(result()) == "rolled back 12ms after the answer that decided it"
    assert ending(result(phase=Phase.PROMOTED, rescue=None)) == "promoted"
    assert ending(result(phase=None, rescue=None)) == "not begun"


def test_the_picture_follows_split_canary_and_events():
    app = App()
    canary = {
        "metadata": {"generation": 2},
        "spec": {"steps": [{"weight": 10, "hold": "5s"}, {"approval": "prod"}, {"weight": 100}]},
        "status": {"observedGeneration": 2, "phase": "Progressing"},
    }
    event = {"involvedObject": {"kind": "Canary"}, "reason": "CheckFailed", "message": "bad", "type": "Warning"}
    picture = Picture()
    for each in (split(weight=10), commit(canary, plural="canaries"), commit(event, plural="events", name="e")):
        picture = after(picture, each, app)
    assert picture.weights == {"podinfo-v3": 10, "podinfo-v2": 90}
    assert [(stage.weight, stage.hold) for stage in picture.steps] == [(10, 5.0), (100, 0.0)]
    assert picture.observed
    assert picture.events == (Event("CheckFailed", "bad", warning=True),)


@pytest.mark.parametrize(
    "other",
    [
        split(namespace="elsewhere"),
        commit(None),
        commit({"metadata": {}}, plural="services"),
        commit({"involvedObject": {"kind": "Pod"}}, plural="events"),
        commit({"involvedObject": {"kind": "Canary"}}, plural="events", old={}),
    ],
    ids=["another namespace", "a deletion", "another kind", "an event about a pod", "an event that is repeated"],
)
def test_commits_that_show_nothing_leave_the_picture_as_it_is(other):
    picture = Picture(generation=3)
    assert after(picture, other, App()) is picture


def test_a_spec_that_the_controller_has_not_seen_is_not_observed():
    assert not Picture(generation=2, status=CanaryStatus(observed_generation=1)).observed
    assert not Picture().observed


def test_of_many_events_the_last_are_kept_and_all_are_counted():
    picture = Picture()
    for number in range(MAX_EVENTS + 3):
        event = {"involvedObject": {"kind": "Canary"}, "reason": f"R{number}"}
        picture = after(picture, commit(event, plural="events"), App())
    assert picture.heard == MAX_EVENTS + 3
    assert [event.reason for event in picture.events][-1] == f"R{MAX_EVENTS + 2}"
    assert len(picture.events) == MAX_EVENTS


def breach() -> Picture:
    """A canary with 10 % whose success rate is below its limit."""
    metric = MetricStatus(name="success-rate", verdict="Breach", canary="79.2%", stable="100.00%", limit="min 99%")
    unknown = MetricStatus(name="latency", verdict="NoData", message="no series")
    return Picture(
        weights={"podinfo-v3": 10, "podinfo-v2": 90},
        state=State(
            seq=4, phase=Phase.PROGRESSING, step=1, weight=10, canary="podinfo-v3", serving="podinfo-v2", since=wall(10)
        ),
        steps=(Stage(10, 5.0), Stage(50, 5.0), Stage(100, 5.0)),
        status=CanaryStatus(phase="Progressing", metrics=(metric, unknown)),
        metrics=(metric, unknown),
        events=(Event("WeightAdvanced", "weight 0% -> 10%"), Event("CheckFailed", "held", warning=True)),
        heard=2,
    )


def test_each_change_is_a_line():
    assert list(changes(Picture(), breach())) == [
        ("weight", "podinfo-v3 10%  podinfo-v2 90%  (step 1 of 3)"),
        ("verdict", "Breach success-rate: canary 79.2%, stable 100.00%, min 99%"),
        ("verdict", "NoData latency: no series"),
        ("phase", "Progressing"),
        ("event", "WeightAdvanced: weight 0% -> 10%"),
        ("event", "CheckFailed: held"),
    ]


def test_what_has_not_changed_is_no_line():
    assert list(changes(breach(), breach())) == []


def test_the_log_says_when_and_what():
    written: list[str] = []
    view = Lines(written.append)
    view.tell(0.0, "begins")
    view.changed(Moment(12.34, breach()))
    view.changed(Moment(13.0, breach()))
    view.tick(Moment(14.0, Picture()))
    view.close()
    assert written[:2] == [
        "  0.0s  demo     begins",
        " 12.3s  weight   podinfo-v3 10%  podinfo-v2 90%  (step 1 of 3)",
    ]
    assert len(written) == 7


def test_the_screen_shows_weights_steps_checks_users_events_and_what_comes_next():
    moment = Moment(31.0, breach(), wall(12.4), BROKEN, ("promoted",), {"2": Tally(90, 0), "3": Tally(8, 2)})
    shown = text_of(screen(moment, "v3 fails"))
    assert "✔ v2 is a good release   promoted" in shown
    assert "▶ v3 fails 20% of its requests   must be rolled back" in shown
    assert "· v4 is three times slower   next: must be rolled back" in shown
    assert f"podinfo-v3  {'█' * 4}{'·' * 36}  10%" in shown
    assert " 10%  →  50%  →  100% " in shown
    assert "success-rate   79.2%    100.00%   min 99%   Breach" in shown
    assert "v2 90 served   v3 8 served, 2 failed" in shown
    assert "Next   50%, after 3s more at 10% if the newest window is Healthy" in shown
    assert "CheckFailed  held" in shown


def test_what_the_demo_tells_does_not_wipe_the_screen():
    out = io.StringIO()
    view = Screen(Console(file=out, force_terminal=True, width=120))
    view.tick(Moment(31.0, breach(), scene=BROKEN))
    before = len(out.getvalue())
    view.tell(32.0, "something new")
    view.close()
    assert "podinfo-v3" in out.getvalue()[before:]
    assert "something new" in out.getvalue()[before:]


def test_the_screen_keeps_its_height_so_that_nothing_jumps():
    def heights(picture: Picture) -> int:
        return len(screen(Moment(1.0, picture, scene=GOOD)))

    assert heights(Picture(weights={"a": 100})) == heights(Picture(weights={"a": 50, "b": 50}))


def test_a_screen_before_anything_has_happened_can_be_drawn():
    assert "waiting for the controller" in text_of(screen(Moment(0.0, Picture())))


def test_after_a_rollback_the_screen_says_why():
    state = State(seq=1, phase=Phase.ROLLED_BACK)
    picture = Picture(state=state, status=CanaryStatus(message="v3 rolled back: success-rate 80% is below 99%"))
    assert "Next   v3 rolled back: success-rate 80% is below 99%" in text_of(screen(Moment(1.0, picture)))


def test_metrics_stay_to_be_seen_until_the_next_window_of_the_same_revision():
    def canary(weight: int, *metrics: str, phase: str = "Progressing") -> Commit:
        judged = [{"name": name, "verdict": "Healthy"} for name in metrics]
        status = {"phase": phase, "canaryWeight": weight, "metrics": judged}
        return commit({"metadata": {"generation": 1}, "spec": {}, "status": status}, plural="canaries")

    def seen(*commits: Commit) -> list[str]:
        picture = Picture()
        for each in commits:
            picture = after(picture, each, App())
        return [metric.name for metric in picture.metrics]

    assert seen(canary(10, "latency"), canary(50)) == ["latency"]
    assert seen(canary(10, "latency"), canary(0, "latency", phase="RolledBack")) == ["latency"]
    assert seen(canary(10, "latency"), canary(0, "latency"), canary(10)) == []
