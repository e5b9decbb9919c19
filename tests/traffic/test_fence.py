"""The fence alone: one compare-and-swap, settled by reading when its answer is lost, and never sent too late."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import msgspec
import pytest

from canary.core.decision import Act, Change, Direction
from canary.core.observed import Backend, Ownership
from canary.core.phases import Phase
from canary.core.state import State, WriteId, encode_state
from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.errors import Ambiguous, Conflict, KubeError, NotFound, ServerError, Throttled
from canary.kube.resources import CUSTOM_RESOURCE_DEFINITIONS
from canary.kube.transport import Response
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.apiserver.faults import Answer, Drop, Hang, LoseAnswer
from canary.sandbox.embedded import EmbeddedCluster
from canary.sandbox.mesh.routes import TRAFFIC_SPLITS
from canary.sandbox.virtual_time import run_virtual
from canary.traffic.fence import Fence, ResourceGone, TooOld
from canary.traffic.view import Owner

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = Owner("shop", "podinfo", "uid-1", "podinfo")
STATE = "canary.delivery/state"
STABLE = (Backend("v1", 100),)
TEN = (Backend("v2", 10), Backend("v1", 90))


def change(act=Act.UPDATE, direction=Direction.UP, backends=TEN, weight=10, seq=0, **fields):
    state = State(uid="uid-1", seq=seq, phase=Phase.PROGRESSING, weight=weight, canary="v2", serving="v1", epoch=4)
    return Change(act, state, backends, direction, **{"moves": True, **fields})


CREATE = change(Act.CREATE, Direction.LEVEL, STABLE, 0)
RAISE = change(seq=1)
LOWER = change(direction=Direction.DOWN, backends=STABLE, weight=0, seq=1)


class World:
    def __init__(self, cluster, clock):
        self.cluster, self.clock = cluster, clock

    def fence(self, writer="one"):
        transport = DirectTransport(self.cluster.server, user_agent=writer)
        return Fence(Client(transport, clock=self.clock, rng=random.Random(1)), writer=writer, clock=self.clock)

    @property
    def faults(self):
        return self.cluster.server.faults

    def commits(self):
        return self.cluster.server.commits.of("trafficsplits")


def in_cluster(scenario):
    """Runs `scenario(world)` in virtual time."""

    async def main():
        clock = LoopClock(EPOCH)
        async with EmbeddedCluster(clock, random.Random(1)) as cluster:
            await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
            return await scenario(World(cluster, clock))

    return run_virtual(main())


async def created(world, fence):
    return await fence.write("v1alpha4", OWNER, None, CREATE, epoch=1)


@pytest.mark.parametrize("fault", [LoseAnswer(), Hang(executed=True)], ids=str)
@pytest.mark.parametrize("what", ["create", "raise", "lower"])
def test_a_write_whose_answer_was_lost_is_found_by_its_seq_writer_and_attempt(fault, what):
    async def scenario(world):
        fence = world.fence()
        live = None if what == "create" else await created(world, fence)
        world.faults.add(fault, verb="create,update", resource="trafficsplits", times=1)
        wanted = {"create": CREATE, "raise": RAISE, "lower": LOWER}[what]
        done = await fence.write("v1alpha4", OWNER, live, wanted, epoch=1)
        return done.view, len(world.commits())

    view, commits = in_cluster(scenario)
    assert view.state.id == WriteId(1, "one", 1) if what == "create" else WriteId(2, "one", 2)
    assert commits == (1 if what == "create" else 2)


@pytest.mark.parametrize("fault", [Drop(), Hang(), Answer(500), Answer(503), Answer(504)], ids=str)
@pytest.mark.parametrize("what", ["create", "raise", "lower"])
def test_a_write_that_did_not_happen_is_not_taken_for_done(fault, what):
    async def scenario(world):
        fence = world.fence()
        live = None if what == "create" else await created(world, fence)
        world.faults.add(fault, verb="create,update", resource="trafficsplits", times=1)
        wanted = {"create": CREATE, "raise": RAISE, "lower": LOWER}[what]
        with pytest.raises((Ambiguous, ServerError)):
            await fence.write("v1alpha4", OWNER, live, wanted, epoch=1)

    in_cluster(scenario)


@pytest.mark.parametrize("written", ["same seq, other writer", "same seq and writer, other attempt", "later seq"])
def test_what_another_process_wrote_meanwhile_is_not_taken_for_ours(written):
    async def scenario(world):
        fence = world.fence("one")
        live = await created(world, fence)
        rival = world.fence("two" if "other writer" in written else "one")
        if written == "later seq":
            live_of_rival = await rival.write("v1alpha4", OWNER, live, RAISE, epoch=1)
            await rival.write("v1alpha4", OWNER, live_of_rival, change(seq=2), epoch=1)
        else:
            await rival.write("v1alpha4", OWNER, live, RAISE, epoch=1)
        world.faults.add(Drop(), verb="update", resource="trafficsplits", times=1)
        with pytest.raises(Ambiguous):
            await fence.write("v1alpha4", OWNER, live, RAISE, epoch=1)

    in_cluster(scenario)


def test_an_error_of_a_proxy_after_the_commit_is_settled_by_reading():
    """A 503 may come from between the server and us when the server has committed already."""

    async def scenario(world):
        fence = world.fence()
        live = await created(world, fence)
        inner = fence._client.transport.request

        async def proxied(method, path, **options):
            answer = await inner(method, path, **options)
            if method == "PUT":
                return Response(503, b"upstream timed out", {})
            return answer

        fence._client.transport.request = proxied
        return (await fence.write("v1alpha4", OWNER, live, RAISE, epoch=1)).view.state.seq

    assert in_cluster(scenario) == 2


@pytest.mark.parametrize(("fault", "error"), [(Answer(409), Conflict), (Answer(429), Throttled)])
def test_a_refusal_is_told_at_once_and_nothing_is_sent_again(fault, error):
    async def scenario(world):
        fence = world.fence()
        live = await created(world, fence)
        rule = world.faults.add(fault, verb="update", resource="trafficsplits")
        with pytest.raises(error):
            await fence.write("v1alpha4", OWNER, live, LOWER, epoch=1)
        return rule.fired, world.clock.monotonic()

    assert in_cluster(scenario) == (1, 0.0)


def test_a_write_on_top_of_an_old_read_is_refused():
    async def scenario(world):
        fence = world.fence()
        live = await created(world, fence)
        await fence.write("v1alpha4", OWNER, live, RAISE, epoch=1)
        with pytest.raises(Conflict):
            await fence.write("v1alpha4", OWNER, live, RAISE, epoch=1)
        return len(world.commits())

    assert in_cluster(scenario) == 2


def test_a_split_that_somebody_made_anew_is_not_hit_by_a_write_for_the_old_one():
    async def scenario(world):
        fence = world.fence()
        live = await created(world, fence)
        await world.cluster.client.delete(TRAFFIC_SPLITS, "podinfo", "shop")
        with pytest.raises(NotFound):
            await fence.write("v1alpha4", OWNER, live, RAISE, epoch=1)
        await created(world, world.fence("two"))
        with pytest.raises(Conflict):
            await fence.write("v1alpha4", OWNER, live, RAISE, epoch=1)

    in_cluster(scenario)


def test_a_raise_is_not_sent_once_its_verdict_is_too_old():
    async def scenario(world):
        fence = world.fence()
        live = await created(world, fence)
        await world.clock.sleep(10)
        await fence.write("v1alpha4", OWNER, live, change(seq=1, expires_at=10.0), epoch=1)
        live = await fence.read("v1alpha4", OWNER)
        await world.clock.sleep(0.1)
        with pytest.raises(TooOld):
            await fence.write("v1alpha4", OWNER, live, change(seq=2, expires_at=10.0), epoch=1)
        return len(world.commits())

    assert in_cluster(scenario) == 2


@pytest.mark.parametrize(
    ("wanted", "epoch"), [(LOWER, 4), (RAISE, 9), (change(Act.CREATE, Direction.DOWN, STABLE, 0), 9)]
)
def test_a_lowering_keeps_the_epoch_that_it_found_and_everything_else_writes_the_new_one(wanted, epoch):
    async def scenario(world):
        fence = world.fence()
        live = None if wanted.act is Act.CREATE else await created(world, fence)
        return (await fence.write("v1alpha4", OWNER, live, wanted, epoch=9)).view.state.epoch

    assert in_cluster(scenario) == epoch


def test_only_a_write_that_moves_traffic_is_named_as_the_last_move():
    async def scenario(world):
        fence = world.fence()
        live = await created(world, fence)
        moved = await fence.write("v1alpha4", OWNER, live, RAISE, epoch=1)
        await world.clock.sleep(5)
        still = msgspec.structs.replace(RAISE, state=moved.view.state, moves=False)
        done = await fence.write("v1alpha4", OWNER, moved, still, epoch=1)
        return moved.view.state, done.view.state

    moved, still = in_cluster(scenario)
    assert moved.change == moved.id
    assert (still.change, still.moved) == (moved.change, moved.moved)
    assert still.id == WriteId(3, "one", 3)


def test_a_split_that_does_not_exist_is_none_and_a_version_that_is_not_served_is_an_error():
    async def scenario(world):
        fence = world.fence()
        missing = await fence.read("v1alpha4", OWNER)
        await world.cluster.client.delete(CUSTOM_RESOURCE_DEFINITIONS, "trafficsplits.split.smi-spec.io")
        with pytest.raises(ResourceGone):
            await fence.read("v1alpha4", OWNER)
        return missing

    assert in_cluster(scenario) is None


def test_letting_go_takes_our_marks_but_the_owners_and_leaves_the_weights():
    async def scenario(world):
        fence = world.fence()
        live = await created(world, fence)
        release = Change(Act.RELEASE, live.view.state, live.view.backends, Direction.LEVEL)
        done = await fence.write("v1alpha4", OWNER, live, release, epoch=1)
        return done.object.metadata, done.view

    metadata, view = in_cluster(scenario)
    assert metadata.annotations == {"canary.delivery/owner": "podinfo/uid-1"}
    assert metadata.labels == {}
    assert view.backends == STABLE
    assert view.ownership is Ownership.OURS


@pytest.mark.parametrize("fault", [LoseAnswer(), Drop()], ids=str)
def test_letting_go_is_settled_by_the_state_that_must_be_gone(fault):
    async def scenario(world):
        fence = world.fence()
        live = await created(world, fence)
        world.faults.add(fault, verb="update", resource="trafficsplits", times=1)
        release = Change(Act.RELEASE, live.view.state, live.view.backends, Direction.LEVEL)
        try:
            await fence.write("v1alpha4", OWNER, live, release, epoch=1)
        except KubeError:
            return "failed", STATE in world.commits()[-1].new["metadata"]["annotations"]
        return "done", STATE in world.commits()[-1].new["metadata"].get("annotations", {})

    assert in_cluster(scenario) == (("done", False) if fault == LoseAnswer() else ("failed", True))


def test_a_state_of_a_later_version_stays_byte_for_byte_when_its_weights_are_lowered():
    async def scenario(world):
        fence = world.fence()
        live = await created(world, fence)
        live = await fence.write("v1alpha4", OWNER, live, RAISE, epoch=1)
        newer = encode_state(live.view.state).replace('"v":1', '"v": 9, "x": [1.0]', 1)
        patch = {"metadata": {"annotations": {STATE: newer}}}
        await world.cluster.client.patch(TRAFFIC_SPLITS, "podinfo", patch, "shop")
        live = await fence.read("v1alpha4", OWNER)
        assert live.view.newer
        lower = Change(Act.LOWER_ONLY, State(), STABLE, Direction.DOWN, moves=True)
        done = await fence.write("v1alpha4", OWNER, live, lower, epoch=1)
        return done.object.metadata.annotations[STATE] == newer, done.view.backends

    assert in_cluster(scenario) == (True, STABLE)
