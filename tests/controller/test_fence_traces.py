"""Ways in which two processes, a split and people once led to traffic on a bad release, each with what must not be."""

from __future__ import annotations

import pytest

from canary.core.state import State
from canary.sandbox.apiserver.faults import Answer, Delay

STATE = "canary.delivery/state"
LONG = [{"weight": 10, "hold": "10m"}, {"weight": 60, "hold": "10m"}]


def stop_before(sim, identity, what, *, after=""):
    """Freeze a process when a request of a kind is about to leave, the first one after one of the kind `after`."""
    wire, armed = sim.wires[identity], not after

    async def before(sent):
        nonlocal armed
        if sent.what == what and armed:
            wire.before = let_pass
            wire.freeze()
        armed = armed or sent.what == after

    wire.before = before
    return lambda: not wire.flowing.is_set()


async def let_pass(_):
    return None


async def test_a_canary_without_any_request_is_not_kept_at_zero_for_ever(rollout):
    async with rollout(rate=0) as sim:
        await sim.weight(10)
        await sim.sleep(300)
        assert sim.shares() == [0, 10]


async def test_a_process_that_once_led_can_raise_again_after_another_has_and_no_epoch_falls(rollout):
    async with rollout(processes=("one",), steps=[{"weight": w, "hold": "20s"} for w in (10, 30, 60)]) as sim:
        await sim.weight(10)
        sim.wires["one"].freeze()
        sim.start("two")
        await sim.weight(30)
        await sim.kill("two")
        sim.wires["one"].thaw()
        await sim.reach("Promoted")
        states = sim.states()
        assert {state.writer for state in states if state.weight} == {"one", "two"}
        assert [s.epoch for s in states] == sorted(s.epoch for s in states)
        assert states[-1].epoch == 3


async def test_an_abort_whose_annotation_is_gone_is_not_forgotten_with_the_split(rollout):
    async with rollout(steps=LONG) as sim:
        await sim.weight(10)
        await sim.told()
        sim.faults.add(Answer(500), verb="patch", resource="canaries", subresource="status", user_agent="one")
        await sim.annotate(abort="@1")
        await sim.reach("RolledBack")
        await sim.kill("one")
        await sim.delete_split()
        sim.faults.clear()
        sim.start("two")
        await sim.sleep(120)
        assert sim.shares() == [0, 10, 0]
        assert sim.phase() == "RolledBack"


async def test_an_abort_between_the_reads_and_the_write_that_opens_promotion_is_not_ignored(rollout):
    async with rollout(steps=[{"weight": 50, "hold": "10s"}]) as sim:
        await sim.weight(50)
        wire = sim.wires["one"]

        async def before(sent):
            if sent.what == "update trafficsplits":
                wire.before = let_pass
                await sim.annotate(abort="@1")

        wire.before = before
        await sim.reach("RolledBack")
        assert sim.shares() == [0, 50, 100, 0]
        assert sim.now() < 60


async def test_a_promote_that_is_put_back_is_not_taken_again_when_the_split_is_rebuilt(rollout):
    async with rollout(steps=LONG) as sim:
        await sim.weight(10)
        value = f"promote@{sim.state().revision}@1"
        await sim.annotate(command=value)
        await sim.weight(60)
        await sim.told()
        await sim.sleep(5)
        await sim.annotate(command=value)
        await sim.delete_split()
        await sim.weight(10)
        await sim.sleep(120)
        assert sim.shares() == [0, 10, 60, 0, 10]


async def test_a_write_prepared_for_a_split_that_was_deleted_does_not_fit_the_one_made_since(rollout):
    async with rollout(steps=[{"weight": 10, "hold": "20s"}, {"weight": 60, "hold": "10m"}]) as sim:
        await sim.weight(10)
        frozen = stop_before(sim, "one", "update trafficsplits")
        await sim.until(frozen)
        await sim.delete_split()
        sim.start("two")
        await sim.weight(10)
        sim.wires["one"].thaw()
        await sim.sleep(10)
        assert sim.shares() == [0, 10, 0, 10]


async def test_promotion_is_not_left_without_rolling_back_when_the_split_is_deleted(rollout):
    async with rollout(steps=[{"weight": 50, "hold": "10s"}]) as sim:
        await sim.reach("Promoting")
        await sim.told()
        await sim.delete_split()
        await sim.until(lambda: sim.weights() == {"podinfo-v1": 100}, 10)
        phases = [state.phase.value for state in sim.states()]
        assert phases[phases.index("Promoting") + 1] == "RollingBack"
        await sim.reach("Promoted")


async def test_promotion_is_not_left_without_rolling_back_when_another_revision_comes(rollout):
    async with rollout(steps=[{"weight": 50, "hold": "10s"}], analysis={"interval": "30s", "warmup": "5s"}) as sim:
        await sim.reach("Promoting")
        await sim.new_revision()
        await sim.reach("RollingBack", "Progressing")
        await sim.reach("Promoted")
        phases = [state.phase.value for state in sim.states()]
        assert phases[phases.index("Promoting") + 1] == "RollingBack"
        assert sim.shares()[-4:] == [100, 0, 50, 100]


async def test_a_rejection_told_after_the_canary_was_read_is_not_overlooked_by_a_rebuild(rollout):
    async with rollout(steps=LONG, processes=("one",)) as sim:
        await sim.weight(10)
        await sim.told()
        sim.start("two")
        await sim.sleep(5)
        # "two" wants to rebuild: it has read the Canary, and stops before it looks at the split.
        frozen = stop_before(sim, "two", "get trafficsplits", after="get canaries")
        sim.wires["one"].freeze()
        await sim.delete_split()
        await sim.until(frozen, 20)
        sim.wires["one"].thaw()
        await sim.until(lambda: sim.state() is not None, 10)
        await sim.weight(10)
        await sim.annotate(abort="@1")
        await sim.reach("RolledBack")
        await sim.told()
        await sim.delete_split()
        sim.wires["two"].thaw()
        await sim.until(lambda: sim.state() is not None, 10)
        await sim.sleep(120)
        assert sim.shares() == [0, 10, 0, 10, 0]


async def test_a_rejection_that_is_told_after_the_rebuild_holds_back_the_raise(rollout):
    """The last status of a dead process lands late: the split made meanwhile knows nothing of the rejection."""
    async with rollout(errors=20, severe=True) as sim:
        await sim.weight(10)
        await sim.told()
        status = {"verb": "patch", "resource": "canaries", "subresource": "status"}
        sim.faults.add(Delay(before=3), user_agent="one", **status)
        sim.faults.add(Answer(500), user_agent="two", **status)
        await sim.reach("RolledBack")
        await sim.kill("one")
        await sim.delete_split()
        sim.start("two")
        await sim.until(lambda: (sim.state() or State()).phase == "Progressing", 10)
        assert sim.state().rejected == ()
        await sim.sleep(60)
        assert sim.status().record.rejected != ()
        assert sim.shares() == [0, 10, 0]


async def test_who_read_the_canary_before_a_rollback_does_not_converge_upward_after_it(rollout):
    async with rollout(steps=[{"weight": 10, "hold": "20s"}, {"weight": 60, "hold": "10m"}]) as sim:
        await sim.weight(10)
        frozen = stop_before(sim, "one", "get trafficsplits", after="list endpointslices")
        await sim.until(frozen)
        sim.start("two")
        await sim.annotate(abort="@1")
        await sim.reach("RolledBack")
        sim.wires["one"].thaw()
        await sim.sleep(120)
        assert sim.shares() == [0, 10, 0]


@pytest.mark.parametrize("offset", [-0.2, -0.05, 0.0, 0.001, 0.2])
async def test_an_abort_and_a_raise_at_the_same_moment_do_not_both_win(rollout, offset):
    async with rollout(processes=("one", "two", "three")) as sim:
        await sim.weight(10)
        raised = sim.splits()[-1].monotonic
        await sim.sleep(raised + 30 + offset - sim.now())
        await sim.annotate(abort="@1")
        await sim.reach("RolledBack")
        await sim.sleep(60)
        assert sim.shares()[-1] == 0
        assert len(sim.shares()) <= 4
