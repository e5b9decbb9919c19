"""What people ask for: each command in each phase is answered once, by its effect or by a reason why not."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.commands import (
    Abort,
    Command,
    Malformed,
    Verb,
    command_id,
    format_command,
    parse_abort,
    parse_command,
)
from canary.core.phases import Phase
from canary.core.plan import Stage

STAGES = (Stage(5, hold=600.0), Stage(approval="go"), Stage(50, hold=600.0), Stage(100))
WORDS = ["promote", "promote-full", "pause", "resume", "retry", "approve/go"]
ACCEPTED = {
    Phase.PROGRESSING: {"promote", "promote-full", "pause", "approve/go"},
    Phase.PROMOTING: {"pause", "approve/go"},
    Phase.ROLLED_BACK: {"retry"},
}
LASTING = [Phase.IDLE, Phase.PROGRESSING, Phase.PROMOTING, Phase.ROLLED_BACK, Phase.PROMOTED]


@pytest.mark.parametrize("phase", LASTING)
@pytest.mark.parametrize("word", WORDS)
def test_each_command_in_each_phase_is_answered_once(rollout, phase, word):
    r = rollout(stages=STAGES if phase is Phase.PROGRESSING else (Stage(5), Stage(approval="go"), Stage(100)))
    if phase in (Phase.PROMOTING, Phase.PROMOTED):
        r.until(5)
        r.order("approve/go", time="before")
    r.to(phase)
    if phase is Phase.IDLE:
        r.change(suspend=True)
    r.order(word)
    count = len(r.log)

    r.look()

    accepted = word in ACCEPTED.get(phase, set())
    assert (r.said[-1] != "CommandRejected") is accepted
    assert r.state.command == r.command
    assert len(r.log) == count + 1
    if not accepted:
        assert r.phase is phase
        assert r.log[-1].change.state.said[0].note.startswith(f"{word.partition('/')[0]}: ")
    r.rest()
    after = len(r.log)
    r.rest()
    assert len(r.log) == after


def test_a_command_waits_while_a_rollback_is_closed(rollout):
    r = rollout().to(Phase.ROLLING_BACK)
    r.order("retry")

    r.rest()

    assert (r.phase, r.said[-2:]) == (Phase.PROGRESSING, ["RolledBack", "RetryStarted"])


def test_a_consumed_command_that_stays_is_left_alone(rollout):
    r = rollout(stages=STAGES).until(5)
    r.order("promote")
    r.rest()
    assert r.weight == 50

    r.windows(10)

    assert r.weight == 50


def test_a_consumed_command_that_returns_is_left_alone(rollout):
    r = rollout(stages=STAGES).until(5)
    r.order("pause")
    r.rest()
    value, r.command = r.command, ""
    r.rest()
    count = len(r.log)
    r.command = value

    r.rest()

    assert len(r.log) == count


def test_the_same_command_at_another_time_is_another_command(rollout):
    r = rollout(stages=STAGES).until(5)
    r.order("pause", time="1")
    r.rest()
    r.order("resume", time="2")
    r.rest()
    r.order("pause", time="3")

    r.rest()

    assert r.state.pause == "Paused"


@pytest.mark.parametrize("revision", ["v2-0000000000", "", "v9"])
@pytest.mark.parametrize("word", WORDS)
def test_a_command_for_another_revision_is_refused(rollout, word, revision):
    r = rollout(stages=STAGES).until(5)
    r.order(word, revision)

    r.rest()

    assert (r.said[-1], r.weight, r.state.approvals, r.state.pause) == ("CommandRejected", 5, (), "")
    assert r.state.revision in r.log[-1].change.state.said[0].note


@pytest.mark.parametrize(
    "value", ["promote", "promote@x", "a@b@c@d", "jump@x@t", "approve@x@t", "pause/now@x@t", "@@", "x" * 600, "/@@"]
)
def test_a_malformed_command_is_refused_with_the_form_it_must_have(rollout, value):
    r = rollout(stages=STAGES).until(5)
    r.command = value

    r.rest()

    assert (r.said[-1], r.state.command) == ("CommandRejected", command_id(value))
    assert r.look().change is None


def test_promote_goes_to_the_next_weight_past_hold_and_approval(rollout):
    r = rollout(stages=STAGES).until(5)
    r.order("promote")

    r.look()

    assert (r.weight, r.state.step, r.state.gate.kind) == (50, 3, "Command")
    assert r.log[-1].change.guarded


def test_promote_from_zero_needs_no_warm_up(rollout):
    r = rollout(stages=STAGES).begin()
    r.order("promote")

    r.rest()

    assert (r.weight, r.state.step) == (5, 1)


def test_promote_at_the_last_step_goes_to_promoting(rollout):
    r = rollout(stages=STAGES).until(5)
    for time in ("1", "2"):
        r.order("promote", time=time)
        r.rest()

    assert (r.weight, r.phase) == (100, Phase.PROMOTING)


def test_promote_in_the_bake_leads_to_one_healthy_window(rollout):
    r = rollout(stages=(Stage(50), Stage(100, hold=36_000.0))).until(100)
    r.order("promote")
    r.rest()
    assert r.phase is Phase.PROMOTING

    r.window()

    assert r.phase is Phase.PROMOTED


def test_promote_full_is_still_judged(rollout, bad):
    r = rollout(stages=STAGES).until(5)
    r.order("promote-full")
    r.rest()
    assert (r.weight, r.phase) == (100, Phase.PROMOTING)

    r.wait(5)
    r.windows(1, bad)

    assert (r.phase, r.weight) == (Phase.ROLLED_BACK, 0)


@pytest.mark.parametrize("word", ["promote", "promote-full"])
@pytest.mark.parametrize("obstacle", ["suspended", "gone", "changing", "invalid", "rejected", "port missing"])
def test_promote_is_refused_with_the_reason(rollout, side, gone, word, obstacle):
    r = rollout(stages=STAGES).until(5)
    sides = {"gone": gone("v2"), "port missing": side("v2", missing_ports=(9090,))}
    if obstacle == "suspended":
        r.change(suspend=True)
    if obstacle in sides:
        r.set(sides[obstacle])
    if obstacle == "changing":
        r.set(side("v2", "222", "333"))
    if obstacle == "invalid":
        r.break_spec()
    if obstacle == "rejected":
        r.projects = False
        r.record = type(r.record)(seq=r.state.seq, rejected=(r.state.revision,))
    r.order(word)

    r.rest()

    assert r.weight <= 5
    assert "CommandRejected" in r.said


@pytest.mark.parametrize("word", ["promote", "promote-full"])
def test_promote_waits_until_it_is_known_what_runs(rollout, side, word):
    r = rollout(stages=STAGES).until(5)
    known = r.sides["v2"]
    r.set(side("v2", hashes=None))
    r.order(word)
    r.rest()
    assert (r.weight, "CommandRejected" in r.said) == (5, False)

    r.set(known)
    r.rest()

    assert r.weight > 5


@pytest.mark.parametrize("word", ["promote", "promote-full"])
def test_promote_with_an_empty_revision_raises_no_mix(rollout, side, word):
    r = rollout(stages=STAGES).until(5)
    r.set(side("v2", "222", "333"))
    r.rest()
    assert (r.weight, r.state.revision) == (0, "")
    r.order(word, "")

    r.windows(10)

    assert (r.weight, r.outlook) == (0, "WaitingForRevision")


def test_a_pause_holds_until_resume_and_the_hold_begins_again(rollout):
    r = rollout().until(5)
    r.order("pause")
    r.windows(20)
    assert (r.weight, r.outlook, r.decision.outlook.held) == (5, "Paused", True)

    r.order("resume", time="t2")
    r.rest()
    assert r.memory.hold_until == r.monotonic + 30
    r.windows(3)

    assert r.weight == 50


def test_a_pause_holds_the_promotion(rollout):
    r = rollout().promoting()
    r.order("pause")
    r.windows(10)
    assert r.phase is Phase.PROMOTING

    r.order("resume", time="t2")
    r.rest()
    r.window()

    assert r.phase is Phase.PROMOTED


def test_promote_ends_a_pause(rollout):
    r = rollout(stages=STAGES).until(5)
    r.order("pause")
    r.rest()

    r.order("promote", time="t2")
    r.rest()

    assert (r.weight, r.state.pause) == (50, "")


def test_a_retry_begins_at_step_0_with_new_counters(rollout, bad):
    r = rollout(failure_limit=2).until(5)
    r.windows(2, bad)
    assert (r.phase, r.state.failed) == (Phase.ROLLED_BACK, 2)
    r.order("retry")

    r.look()

    assert (r.phase, r.weight, r.state.step, r.state.failed, r.state.rejected) == (Phase.PROGRESSING, 0, 0, 0, ())
    r.until(50)


def test_a_retry_is_not_in_force_before_the_record_follows(rollout):
    r = rollout().rolled_back()
    r.projects = False
    r.order("retry")
    r.windows(20)
    assert (r.weight, r.outlook) == (0, "WaitingForRecord")

    r.projects = True
    r.rest()
    r.window()

    assert r.weight == 5


@pytest.mark.parametrize("obstacle", ["suspended", "invalid"])
def test_a_retry_starts_nothing_that_the_spec_forbids(rollout, obstacle):
    r = rollout().rolled_back()
    if obstacle == "suspended":
        r.change(suspend=True)
    else:
        r.break_spec()
    r.order("retry")

    r.rest()

    assert (r.phase, r.said[-1]) == (Phase.ROLLED_BACK, "CommandRejected")


def test_a_breach_beats_a_command(rollout, bad):
    r = rollout(failure_limit=1).until(5)
    r.order("promote-full")
    r.wait(10)

    r.look(r.reading(bad))

    assert (r.phase, r.weight) == (Phase.ROLLING_BACK, 0)


def test_an_abort_beats_a_command(rollout):
    r = rollout().until(5)
    r.order("promote-full")
    r.abort = "@t"

    r.rest()

    assert (r.phase, r.weights) == (Phase.ROLLED_BACK, [0, 5, 0])


# The texts.


@pytest.mark.parametrize(
    ("value", "command"),
    [
        ("promote@v2-abc@2026-01-01T00:00:00Z", Command(Verb.PROMOTE, "", "v2-abc", "2026-01-01T00:00:00Z")),
        ("promote-full@@", Command(Verb.PROMOTE_FULL, "", "", "")),
        ("approve/prod@r@t", Command(Verb.APPROVE, "prod", "r", "t")),
        ("approve/a/b@r@t", Command(Verb.APPROVE, "a/b", "r", "t")),
    ],
)
def test_commands_are_read(value, command):
    assert parse_command(value) == command


@pytest.mark.parametrize(
    ("value", "abort"),
    [("@t", Abort("", "t")), ("r@t", Abort("r", "t")), ("now", Abort("", "now")), ("r@t@u", Abort("r", "t@u"))],
)
def test_aborts_are_never_refused_for_their_form(value, abort):
    assert parse_abort(value) == abort


NAMES = st.text("abcXYZ019-.", max_size=20)


@given(st.sampled_from([verb for verb in Verb if verb is not Verb.APPROVE]), NAMES, NAMES)
def test_what_is_formatted_is_read_back(verb, revision, time):
    assert parse_command(format_command(verb, revision, time)) == Command(verb, "", revision, time)


@given(NAMES.filter(bool), NAMES, NAMES)
def test_an_approval_that_is_formatted_is_read_back(name, revision, time):
    value = format_command(Verb.APPROVE, revision, time, name)

    assert parse_command(value) == Command(Verb.APPROVE, name, revision, time)


@given(st.text(max_size=700))
def test_any_text_is_a_command_or_malformed(value):
    with suppress(Malformed):
        assert parse_command(value).verb in Verb
    assert len(command_id(value)) <= 160
    assert isinstance(parse_abort(value), Abort)
