"""What was found missing when a seeded bug survived everything else."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from canary.api.kinds import EndpointSlice
from canary.api.names import OWNER_ANNOTATION
from canary.controller.watches import CANARIES
from canary.core.observed import Backend, Ownership, Side
from canary.core.phases import Phase
from canary.core.state import Earlier, Said, State, events_so_far
from canary.kube.resources import DEPLOYMENTS
from canary.sandbox.apiserver.faults import Answer, Delay
from canary.sandbox.app import Release
from canary.sandbox.simulation import Simulation
from canary.sandbox.virtual_time import run_virtual
from canary.traffic.split import new_split
from canary.traffic.view import Owner, decode_split, split_view
from canary.workload.sides import PodFacts, side_of


def simulated(body: Callable[[Simulation], Awaitable[None]], **options: Any) -> None:
    """Run `body` beside a rollout of release 2 over release 1 that has begun, with one process."""

    async def main() -> None:
        async with Simulation(random.Random(1), model_seed=1, **options) as sim:
            await sim.start_app(Release("1"), Release("2"))
            await body(sim)

    run_virtual(main())


def test_a_deadline_ends_a_rollout_to_which_nothing_else_happens() -> None:
    async def body(sim: Simulation) -> None:
        steps = [{"approval": "go"}, {"weight": 50, "hold": "30s"}]
        analysis = {"interval": "10m", "warmup": "0s"}
        await sim.apply(sim.canary("1", "2", steps=steps, progressDeadline="20s", analysis=analysis))
        sim.start()
        await sim.until(lambda: sim.phase() == "Progressing")
        scale = {"spec": {"replicas": 0}}
        await sim.cluster.client.patch(DEPLOYMENTS, sim.app.backend("2"), scale, sim.app.namespace)
        await sim.until(lambda: sim.phase() == "RolledBack", 25)

    simulated(body)


def test_the_split_of_another_canary_of_the_same_root_is_foreign() -> None:
    first, second = (Owner("shop", name, f"uid of {name}", "web") for name in ("web", "rival"))
    body = new_split("v1alpha4", "shop", "web", (Backend("v1", 100),), {}, {OWNER_ANNOTATION: first.mark})
    split = decode_split(body)
    assert split_view(split, first).ownership is Ownership.OURS
    assert split_view(split, second).ownership is Ownership.FOREIGN


def test_no_event_is_posted_once_the_lease_is_released() -> None:
    async def body(sim: Simulation) -> None:
        await sim.apply(sim.canary("1", "2"))
        process = sim.start()
        faults = sim.cluster.server.faults
        kept = faults.add(Answer(503), verb="create", resource="events")
        await sim.until(lambda: sim.phase() == "Progressing")
        faults.add(Delay(after=4.0), verb="update", resource="leases")
        process.controller.stop()
        await sim.until(lambda: not holder(sim), 20)
        released = len(sim.cluster.server.commits)
        faults.rules.remove(kept)
        await process.ended()
        assert [c.plural for c in tuple(sim.cluster.server.commits)[released:]].count("events") == 0

    simulated(body, leader_elect=True)


def test_a_canary_that_was_made_anew_while_nobody_looked_is_another_one() -> None:
    async def body(sim: Simulation) -> None:
        await sim.apply(sim.canary("1", "2"))
        sim.start()
        await sim.until(lambda: sim.phase() == "Progressing")
        server, client = sim.cluster.server, sim.cluster.client
        blind = server.faults.add(Answer(503), verb="watch", resource="canaries", user_agent="one")
        server.cut_watches()
        await client.patch(CANARIES, sim.app.name, {"metadata": {"finalizers": None}}, sim.app.namespace)
        await client.delete(CANARIES, sim.app.name, sim.app.namespace)
        await sim.apply(sim.canary("1", "2"))
        server.faults.rules.remove(blind)
        await sim.until(lambda: sim.phase() == "Promoted")
        state, canary = sim.state(), sim.object("canaries")
        assert state is not None
        assert canary is not None
        assert state.uid == canary["metadata"]["uid"]

    simulated(body)


def test_a_write_keeps_the_events_of_the_one_before_it() -> None:
    said = (Said("Paused", "paused at 10% by request"),)
    state = State(seq=3, phase=Phase.PROGRESSING, weight=10, revision="v2", said=said)
    assert events_so_far(state) == (Earlier(3, Phase.PROGRESSING, 10, "v2", said),)


def side(**pods: PodFacts) -> Side:
    """A Service with the ready pods `a` and `b`, of which `pods` were looked at."""
    endpoints = [
        {"addresses": [f"10.0.0.{n}"], "targetRef": {"kind": "Pod", "name": name}} for n, name in enumerate("ab")
    ]
    piece = msgspec.convert({"metadata": {"name": "web-1"}, "endpoints": endpoints}, EndpointSlice)
    return side_of("web", None, [piece], pods, None, known=True)


def test_while_a_ready_pod_has_not_been_looked_at_nobody_knows_the_revision() -> None:
    assert side(a=PodFacts("1")).hashes is None
    assert side(a=PodFacts("1"), b=PodFacts("1")).hashes == ("1",)


def test_a_side_is_as_warm_as_the_pod_that_was_ready_last() -> None:
    assert side(a=PodFacts("1", ready_at=5.0), b=PodFacts("1", ready_at=9.0)).ready_at == 9.0


def log(sim: Simulation, plural: str) -> list[Any]:
    return list(sim.cluster.server.commits.of(plural, sim.app.namespace))


def holder(sim: Simulation) -> str:
    leases = log(sim, "leases")
    return leases[-1].new["spec"].get("holderIdentity") or "" if leases else "nobody yet"
