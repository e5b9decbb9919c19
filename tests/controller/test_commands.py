"""Commands and aborts are answered once: by whichever process, whoever puts them back, whatever fails meanwhile."""

from __future__ import annotations

import pytest

from canary.sandbox.apiserver.faults import Answer

COMMAND, ABORT = "canary.delivery/command", "canary.delivery/abort"
LONG = [{"weight": 10, "hold": "10m"}, {"weight": 30, "hold": "10m"}, {"weight": 60, "hold": "10m"}]


def annotations(sim):
    return sim.object("canaries")["metadata"].get("annotations", {})


def marks(canary):
    return set((canary or {}).get("metadata", {}).get("annotations", {}).values())


def notes(sim, reason):
    return [note for said, note in sim.events() if said == reason]


@pytest.mark.parametrize("processes", [("one",), ("one", "two"), ("one", "two", "three")])
async def test_a_promote_takes_one_step_however_many_processes_read_it(rollout, processes):
    async with rollout(processes=processes, steps=LONG) as sim:
        await sim.weight(10)
        await sim.annotate(command=f"promote@{sim.state().revision}@1")
        await sim.weight(30)
        await sim.sleep(120)
        assert sim.shares() == [0, 10, 30]
        assert COMMAND not in annotations(sim)


async def test_a_command_that_git_puts_back_is_neither_obeyed_nor_removed_again(rollout):
    async with rollout(steps=LONG) as sim:
        await sim.weight(10)
        value = f"promote@{sim.state().revision}@1"
        await sim.annotate(command=value)
        await sim.weight(30)
        await sim.until(lambda: COMMAND not in annotations(sim), 30)
        await sim.annotate(command=value)
        await sim.sleep(120)
        assert annotations(sim)[COMMAND] == value
        assert sim.shares() == [0, 10, 30]


async def test_a_command_that_git_puts_back_is_ignored_by_the_next_process_too(rollout):
    async with rollout(steps=LONG) as sim:
        await sim.weight(10)
        value = f"promote@{sim.state().revision}@1"
        await sim.annotate(command=value)
        await sim.weight(30)
        await sim.told()
        await sim.kill("one")
        await sim.annotate(command=value)
        sim.start("two")
        await sim.sleep(120)
        assert sim.shares() == [0, 10, 30]


@pytest.mark.parametrize(("key", "value"), [("command", "pause@{}@1"), ("abort", "@1")])
async def test_an_answered_annotation_stays_until_the_record_has_reached_its_answer(rollout, key, value):
    async with rollout(steps=LONG) as sim:
        await sim.weight(10)
        await sim.told()
        sim.faults.add(Answer(500), verb="patch", resource="canaries", subresource="status", user_agent="one")
        text = value.format(sim.state().revision)
        await sim.annotate(**{key: text})
        await sim.until(lambda: getattr(sim.state(), key) == text)
        await sim.sleep(30)
        assert annotations(sim)[f"canary.delivery/{key}"] == text
        sim.faults.clear()
        await sim.until(lambda: f"canary.delivery/{key}" not in annotations(sim), 60)
        removed = [c for c in sim.cluster.server.commits.of("canaries") if text in marks(c.old) - marks(c.new)]
        assert removed[0].new["status"]["record"][key] == text


async def test_an_annotation_that_somebody_has_changed_meanwhile_is_not_removed(rollout):
    async with rollout(steps=LONG) as sim:
        await sim.weight(10)
        revision = sim.state().revision
        wire = sim.wires["one"]

        async def before(sent):
            if sent.what == "patch canaries" and annotations(sim).get(COMMAND, "").startswith("pause"):
                await sim.annotate(command=f"resume@{revision}@2")

        wire.before = before
        await sim.annotate(command=f"pause@{revision}@1")
        await sim.until(lambda: "Resumed" in sim.reasons(), 30)
        assert [state.pause for state in sim.states()][-2:] == ["Paused", ""]
        await sim.until(lambda: COMMAND not in annotations(sim), 30)
        for commit in sim.by("one"):
            for value in marks(commit.old) - marks(commit.new) if commit.plural == "canaries" else ():
                assert commit.new["status"]["record"]["command"] == value


async def test_an_abort_is_answered_once_by_two_processes_and_bars_the_revision(rollout):
    async with rollout(processes=("one", "two"), steps=LONG) as sim:
        await sim.weight(10)
        await sim.annotate(abort="@1")
        await sim.reach("RolledBack")
        await sim.sleep(60)
        assert ABORT not in annotations(sim)
        assert sim.reasons().count("RollbackStarted") == 1
        assert sim.state().rejected == (sim.state().revision,)


async def test_an_abort_that_git_puts_back_does_not_hit_the_retry(rollout):
    async with rollout(steps=LONG) as sim:
        await sim.weight(10)
        await sim.annotate(abort="@1")
        await sim.reach("RolledBack")
        await sim.until(lambda: ABORT not in annotations(sim), 30)
        await sim.annotate(abort="@1", command=f"retry@{sim.state().revision}@2")
        await sim.weight(10)
        await sim.sleep(60)
        assert sim.state().weight == 10


async def test_an_abort_when_nothing_runs_is_answered_and_taken_off(rollout):
    async with rollout() as sim:
        await sim.reach("Promoted")
        await sim.annotate(abort="@1")
        await sim.until(lambda: ABORT not in annotations(sim), 30)
        assert sim.phase() == "Promoted"
        assert len(notes(sim, "AbortIgnored")) == 1


async def test_an_abort_of_another_revision_touches_nothing(rollout):
    async with rollout(steps=LONG) as sim:
        await sim.weight(10)
        await sim.annotate(abort="podinfo-v9-0000000000@1")
        await sim.until(lambda: ABORT not in annotations(sim), 30)
        assert sim.state().weight == 10
        assert "podinfo-v9-0000000000" in notes(sim, "AbortIgnored")[0]


async def test_an_abort_beats_a_pause_and_a_suspended_spec_and_an_approval(rollout):
    steps = [{"weight": 10, "hold": "5s"}, {"approval": "prod"}, {"weight": 50, "hold": "5s"}]
    for state in ("pause", "suspend", "approval"):
        async with rollout(steps=steps) as sim:
            await sim.weight(10)
            if state == "pause":
                await sim.annotate(command=f"pause@{sim.state().revision}@1")
            elif state == "suspend":
                await sim.apply(sim.canary("1", "2", steps=steps, suspend=True))
            await sim.sleep(40)
            asked = sim.now()
            await sim.annotate(abort="@1")
            await sim.reach("RolledBack")
            assert sim.moment("RollingBack") - asked <= 1


@pytest.mark.parametrize("state", ["pause", "suspend", "approval"])
async def test_a_breach_is_acted_on_while_the_rollout_waits(rollout, state):
    steps = [{"weight": 10, "hold": "5s"}, {"approval": "prod"}, {"weight": 50, "hold": "5s"}]
    async with rollout(steps=steps, errors=20) as sim:
        await sim.weight(10)
        if state == "pause":
            await sim.annotate(command=f"pause@{sim.state().revision}@1")
        elif state == "suspend":
            await sim.apply(sim.canary("1", "2", steps=steps, suspend=True))
        await sim.reach("RolledBack")
        assert sim.state().reason == "CheckFailed"


async def test_a_command_found_when_the_state_is_rebuilt_is_answered_as_expired(rollout):
    async with rollout(steps=LONG) as sim:
        await sim.weight(10)
        await sim.told()
        await sim.kill("one")
        await sim.annotate(command=f"promote-full@{sim.state().revision}@1")
        await sim.patch_split({"metadata": {"annotations": {"canary.delivery/state": None}}})
        sim.start("two")
        await sim.weight(10)
        await sim.sleep(60)
        assert sim.shares() == [0, 10, 0, 10]
        assert sim.reasons().count("CommandExpired") == 1
        assert "CommandRejected" not in sim.reasons()
        assert COMMAND not in annotations(sim)


@pytest.mark.parametrize("value", ["promote", "fly@{}@1", "approve@{}@1", "promote@another@1", "@@", "x" * 600])
async def test_a_command_that_cannot_be_obeyed_is_answered_with_a_reason_and_taken_off(rollout, value):
    async with rollout(steps=LONG) as sim:
        await sim.weight(10)
        await sim.annotate(command=value.format(sim.state().revision))
        await sim.until(lambda: COMMAND not in annotations(sim), 30)
        assert len(notes(sim, "CommandRejected")) == 1
        assert sim.shares() == [0, 10]
