"""The status that follows a state: a projection, never a source."""

from __future__ import annotations

import msgspec
import pytest

from canary.core.phases import Phase
from canary.core.plan import Stage
from canary.core.status import material, timestamp
from canary.core.verdict import Verdict
from canary.core.window import Sample


def conditions(r):
    return {condition.type: condition.status for condition in r.status.conditions}


def test_the_record_mirrors_the_state(rollout):
    r = rollout().rolled_back()
    r.order("pause")
    r.rest()

    record = r.status.record

    assert (record.seq, record.epoch, record.split_uid) == (r.state.seq, 1, r.split.uid)
    assert (record.serving, record.promoted, record.rejected) == ("v1", r.state.promoted, r.state.rejected)
    assert (record.command, record.abort) == (r.command, r.abort)


def test_without_a_state_the_record_stays(rollout):
    r = rollout().until(5)
    before = r.status.record
    r.split = None
    r.seen["conflict"] = "another split"
    r.restart()

    r.rest()

    assert (r.status.record, r.status.phase) == (before, "Initializing")


def test_a_canary_that_goes_keeps_its_phase_when_the_split_is_gone(rollout):
    r = rollout().promoted()
    r.seen["deleting"] = True
    r.split = None

    r.look()

    assert (r.status.phase, conditions(r)["Reconciling"]) == ("Promoted", "True")


def test_a_rollout_in_its_middle(rollout):
    r = rollout(label="1.2").until(50)

    status = r.status
    assert (status.phase, status.canary_weight, status.step, status.steps) == ("Progressing", 50, 2, 3)
    assert (status.canary_revision, status.stable_revision) == (r.revision(), r.revision("v1"))
    assert (status.last_applied_revision, status.promoted_revision) == ("1.2", "")
    assert conditions(r) == {"Ready": "Unknown", "Reconciling": "True", "Promoted": "Unknown"}
    assert status.next_evaluation == timestamp(r.wall + r.decision.wake_at - r.monotonic)


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (Phase.PROMOTED, {"Ready": "True", "Promoted": "True"}),
        (Phase.ROLLED_BACK, {"Ready": "False", "Stalled": "True", "Promoted": "False"}),
        (Phase.PROMOTING, {"Ready": "Unknown", "Reconciling": "True", "Promoted": "Unknown"}),
    ],
)
def test_conditions_are_there_only_while_they_are_true(rollout, phase, expected):
    r = rollout().to(phase)

    assert conditions(r) == expected


def test_a_transition_time_moves_only_with_the_status(rollout):
    r = rollout().promoted()
    before = {c.type: c.last_transition_time for c in r.status.conditions}
    r.wait(600)
    r.rest()

    assert {c.type: c.last_transition_time for c in r.status.conditions} == before
    r.change(canary="v3")
    r.rest()
    assert r.status.conditions[0].last_transition_time == timestamp(r.wall) != before["Ready"]


def test_history_has_each_rollout_once_and_the_newest_first(rollout, side):
    r = rollout()
    for count in range(12):
        r.set(side("v2", f"hash{count}"))
        r.until(5).abort = f"@{count}"
        r.rest()
        r.wait(60)
        r.rest()

    entries = r.status.history
    assert len(entries) == 10
    assert entries[0].revision == r.revision()
    assert len({entry.revision for entry in entries}) == 10
    assert {(entry.outcome, entry.reason) for entry in entries} == {("RolledBack", "Aborted")}
    assert all(entry.started_at < entry.ended_at for entry in entries)


def test_a_retried_revision_is_another_entry(rollout):
    r = rollout().rolled_back()
    r.order("retry")
    r.wait(60)
    r.promoted()

    assert [entry.outcome for entry in r.status.history] == ["Promoted", "RolledBack"]


def test_metrics_show_both_values_and_the_limit(rollout):
    r = rollout(stages=(Stage(5, hold=600.0), Stage(100))).until(5)
    r.window(Sample(998.0, 2.0, {"p99": 0.212}))

    success, latency = r.status.metrics

    assert (success.verdict, success.canary, success.stable, success.limit) == (
        "Healthy",
        "99.80%",
        "100.00%",
        "min 99%",
    )
    assert (latency.verdict, latency.canary, latency.limit) == ("Healthy", "212ms", "max 500ms")


def test_a_failing_source_shows_in_every_metric(rollout):
    r = rollout().until(5)
    r.failure()

    assert {(m.verdict, m.message) for m in r.status.metrics} == {("SourceError", "503 Service Unavailable")}


def test_once_a_rollout_is_over_no_source_is_said_to_fail(rollout):
    r = rollout().until(5)
    r.failure()
    r.abort = "@t0"
    r.rest()

    assert r.phase is Phase.ROLLED_BACK
    assert "SourceError" not in {m.verdict for m in r.status.metrics}


def test_at_rest_another_process_does_not_contradict_what_was_told_of_the_metrics(rollout):
    r = rollout().promoted()
    told = r.status.metrics
    judged = [msgspec.structs.replace(metric, verdict=Verdict.NO_DATA) for metric in r.memory.shown]

    r.memory = msgspec.structs.replace(r.memory, shown=tuple(judged))
    r.wait(60)
    r.rest()

    assert told
    assert r.status.metrics == told


def test_values_and_sentences_alone_are_not_material(rollout):
    r = rollout(stages=(Stage(5, hold=600.0), Stage(100))).until(5)
    r.window()
    before = r.status
    r.window(Sample(999.0, 1.0, {"p99": 0.2}))
    assert r.status != before
    assert material(r.status) == material(before)

    r.window(Sample(900.0, 100.0, {"p99": 0.2}))

    assert material(r.status) != material(before)


def test_messages_are_cut_to_what_the_api_server_takes(rollout):
    r = rollout().begin()
    r.seen["conflict"] = "x" * 5000
    r.rest()

    assert max(len(c.message) for c in r.status.conditions) == len(r.status.message) == 1024
    assert msgspec.json.decode(msgspec.json.encode(r.status), type=type(r.status)) == r.status
