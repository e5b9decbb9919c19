"""A Canary goes through any specs and commands: after the last good spec it ends as if there had been no other.

An invalid spec starts nothing, takes traffic back at most, and is told with the name of the field.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from canary.api.crd import crd
from canary.kube.errors import ApiError
from canary.kube.resources import CUSTOM_RESOURCE_DEFINITIONS
from canary.sandbox.app import Release
from canary.sandbox.simulation import Simulation
from canary.sandbox.virtual_time import run_virtual

METRICS = [{"name": "success-rate", "min": "99", "rollbackAt": "90"}]
BASE = {
    "steps": [{"weight": 20, "hold": "4s"}, {"weight": 60, "hold": "4s"}, {"weight": 100, "hold": "4s"}],
    "traffic": {"settle": "1s"},
    "analysis": {"interval": "2s", "warmup": "1s", "metrics": METRICS},
}
GOOD = {
    "base": {},
    "one step": {"steps": [{"weight": 50, "hold": "3s"}]},
    "more steps": {"steps": [{"weight": weight, "hold": "2s"} for weight in (5, 10, 30, 80)]},
    "ramp": {"steps": None, "ramp": {"from": 20, "to": 80, "increment": 30, "hold": "2s"}},
    "slower": {"traffic": {"settle": "3s"}, "analysis": {"interval": "5s", "warmup": "2s", "metrics": METRICS}},
    "stricter": {"analysis": {"interval": "2s", "warmup": "1s", "failureLimit": 1, "metrics": METRICS}},
    "more requests": {"steps": [{"weight": 30, "hold": "2s", "minRequests": 200}, {"weight": 70, "hold": "2s"}]},
    "labelled": {"revision": "2.0.0"},
}
"""Valid specs that a rollout may end with."""
PASSING = {
    "suspended": {"suspend": True},
    "approval": {"steps": [{"weight": 20, "hold": "2s"}, {"approval": "prod"}, {"weight": 100, "hold": "2s"}]},
    "swapped": {"backends": {"stable": "podinfo-v2", "canary": "podinfo-v1"}},
    "unknown canary": {"backends": {"stable": "podinfo-v1", "canary": "podinfo-v9"}},
    "unknown stable": {"backends": {"stable": "podinfo-v9", "canary": "podinfo-v2"}},
    "unknown version": {"traffic": {"apiVersion": "split.smi-spec.io/v1alpha1", "settle": "1s"}},
}
"""Valid specs that wait for something."""
INVALID = {
    "no steps": ({"steps": []}, "spec.steps"),
    "descending steps": ({"steps": [{"weight": 50}, {"weight": 10}]}, "spec.steps"),
    "too heavy": ({"steps": [{"weight": 200}]}, "spec.steps[0].weight"),
    "negative": ({"steps": [{"weight": -5}]}, "spec.steps[0].weight"),
    "empty step": ({"steps": [{}]}, "spec.steps[0]"),
    "no interval": ({"analysis": {"interval": "0s"}}, "spec.analysis.interval"),
    "interval in words": ({"analysis": {"interval": "soon"}}, "spec.analysis.interval"),
    "long settle": ({"traffic": {"settle": "100h"}}, "spec.traffic.settle"),
    "no metrics": ({"analysis": {"metrics": []}}, "spec.analysis.metrics"),
    "no limit": ({"analysis": {"metrics": [{"name": "success-rate"}]}}, "spec.analysis.metrics[0]"),
    "zero failures": ({"analysis": {"failureLimit": 0}}, "spec.analysis.failureLimit"),
    "one backend twice": ({"backends": {"stable": "podinfo-v1", "canary": "podinfo-v1"}}, "spec.backends.canary"),
    "root as backend": ({"backends": {"stable": "podinfo", "canary": "podinfo-v2"}}, "spec.backends.stable"),
    "steps and ramp": ({"ramp": {"from": 20, "to": 80, "increment": 30, "hold": "2s"}}, "spec"),
    "words for truth": ({"suspend": "yes"}, "spec.suspend"),
    "too new": ({"mirror": {"percent": 10}}, "spec.mirror"),
    "too new in a step": ({"steps": [{"weight": 20, "mirror": 5}]}, "spec.steps[0].mirror"),
    "past deadline": ({"progressDeadline": "-1s"}, "spec.progressDeadline"),
}
"""Specs that cannot be carried out, and the field that must be named."""
DROPPED = [INVALID[name][0] for name in ("too new", "too new in a step", "no metrics")]
"""What an API server need not refuse: it may drop an unknown field, and put the default in the place of no items."""
COMMANDS = (
    "promote@{}@{}", "promote-full@{}@{}", "pause@{}@{}", "resume@{}@{}", "retry@{}@{}", "approve/prod@{}@{}",
    "fly@{}@{}", "promote@another@{}", "approve@{}@{}", "@@", "promote",
)  # fmt: skip

SEEN = 0.1
"""Seconds until a controller has seen a change."""


@dataclass(frozen=True)
class Move:
    """What people do, and for how many seconds they then wait; `what` is spec, command or abort."""

    what: str
    name: str
    wait: float


WAITS = st.sampled_from([0.0, 0.3, 1.0, 2.5, 5.0, 12.0])
SPECS = st.builds(Move, st.just("spec"), st.sampled_from([*GOOD, *PASSING, *INVALID]), WAITS)
ORDERS = st.builds(Move, st.just("command"), st.sampled_from(COMMANDS), WAITS)
ABORTS = st.builds(Move, st.just("abort"), st.just("@1"), WAITS)
MOVES = st.lists(st.one_of(SPECS, SPECS, ORDERS, ABORTS), max_size=7)


class Story:
    """One Canary and what happens to it."""

    def __init__(self, errors, *, loose):
        self.errors, self.loose = errors, loose
        self.sim = Simulation(random.Random(1), model_seed=1)
        self.orders = 0

    async def play(self, moves, last):
        async with self.sim as sim:
            await sim.start_app(Release("1", replicas=1), Release("2", replicas=1, errors=self.errors))
            if self.loose:
                await self.accept_anything()
            if moves:
                await self.declare({})
            sim.start()
            if moves:
                await sim.until(lambda: sim.state() is not None)
            for move in moves:
                await self.make(move)
            await self.declare(GOOD[last])
            await sim.annotate(command=None, abort=None)
            await self.rest()
            return self.ending()

    async def make(self, move):
        if move.what == "spec" and move.name in INVALID:
            await self.declare_invalid(*INVALID[move.name], move.wait)
            return
        if move.what == "spec":
            await self.declare({**GOOD, **PASSING}[move.name])
        elif move.what == "abort":
            await self.sim.annotate(abort=self.numbered("@{1}"))
        else:
            await self.sim.annotate(command=self.numbered(move.name))
        await self.sim.clock.sleep(move.wait)

    def numbered(self, order):
        self.orders += 1
        return order.replace("@{1}", f"@{self.orders}").format(self.sim.state().revision, self.orders)

    async def declare(self, changes):
        spec = {key: value for key, value in {**BASE, **changes}.items() if value is not None}
        canary = self.sim.canary("1", "2", **spec)
        canary["spec"] = {key: value for key, value in canary["spec"].items() if key in spec or key not in BASE}
        await self.sim.apply(canary)

    async def declare_invalid(self, changes, field, wait):
        """The API server refuses it, or, without rules, the controller tells what is wrong and raises nothing."""
        if not self.loose:
            await self.declare_in_vain(changes, field)
            return
        await self.declare(changes)
        # What was decided on the spec before may land until the new one has been seen.
        await self.sim.clock.sleep(SEEN)
        count, weight = len(self.splits()), self.sim.weights().get("podinfo-v2", 0)
        await self.sim.clock.sleep(wait)
        for commit in self.splits()[count:]:
            found = {b["service"]: b["weight"] for b in commit.new["spec"]["backends"]}.get("podinfo-v2", 0)
            promoted = self.sim.state().serving == "podinfo-v2"
            assert found <= weight or promoted, f"{changes}: {weight}% -> {found}%"
            weight = found
        if wait >= 5 and not self.closing():
            status = self.sim.status()
            assert status.phase == "Invalid"
            stalled = next(c for c in status.conditions if c.type == "Stalled")
            assert (stalled.status, stalled.reason) == ("True", "InvalidSpec")
            assert field in stalled.message
            assert status.canary_weight == 0

    async def declare_in_vain(self, changes, field):
        before = self.sim.object("canaries")["spec"]
        if changes in DROPPED:
            return
        with pytest.raises(ApiError) as refused:
            await self.declare(changes)
        assert field.split("[")[0] in str(refused.value)
        assert self.sim.object("canaries")["spec"] == before

    def closing(self):
        """Whether a rollout is being finished by the last valid plan."""
        return self.sim.phase() in ("Promoting", "RollingBack")

    def splits(self):
        return self.sim.cluster.server.commits.of("trafficsplits")

    async def rest(self):
        """What people do until the last spec is carried out: what was held goes on, what was aborted is tried again."""
        for _ in range(5):
            await self.sim.clock.sleep(2)
            await self.sim.until(lambda: self.sim.phase() in ("Promoted", "RolledBack") or self.held() or self.serves())
            await self.sim.until(self.told)
            if self.held():
                await self.sim.annotate(command=self.numbered("resume@{}@{}"))
            elif self.sim.phase() == "RolledBack" and self.sim.state().reason != "CheckFailed":
                await self.sim.annotate(command=self.numbered("retry@{}@{}"))
            else:
                break
        await self.sim.clock.sleep(15)

    def held(self):
        state = self.sim.state()
        return bool(state and state.pause)

    def serves(self):
        return self.sim.phase() == "Idle" and self.sim.weights() == {"podinfo-v2": 100}

    def told(self):
        record, state = self.sim.status().record, self.sim.state()
        return record is not None and state is not None and record.seq == state.seq

    def ending(self):
        status, canary = self.sim.status(), self.sim.object("canaries")
        return {
            "weights": self.sim.weights(),
            "serving": self.sim.state().serving,
            "conditions": sorted((c.type, c.status) for c in status.conditions),
            "weight": status.canary_weight,
            "observed": status.observed_generation == canary["metadata"]["generation"],
            "commands": [key for key in canary["metadata"].get("annotations", {}) if key.startswith("canary.")],
        }

    async def accept_anything(self):
        """As a definition that was made before the rules, or after this program."""
        loose = copy.deepcopy(crd())
        for version in loose["spec"]["versions"]:
            version["schema"]["openAPIV3Schema"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        client, name = self.sim.cluster.client, loose["metadata"]["name"]
        stored = await client.get(CUSTOM_RESOURCE_DEFINITIONS, name)
        await client.replace(CUSTOM_RESOURCE_DEFINITIONS, name, {**stored, "spec": loose["spec"]})


LONGER_SETTLE = [Move("spec", "base", 3.0)]
"""The last spec's settle is longer, and comes when that of the one before has passed."""
_fresh = {}


def fresh(errors, last):
    """How a Canary ends that never had another spec."""
    if (errors, last) not in _fresh:
        _fresh[errors, last] = run_virtual(Story(errors, loose=False).play([], last))
    return _fresh[errors, last]


@settings(max_examples=40, deadline=None, derandomize=True)
@example(moves=LONGER_SETTLE, last="slower", errors=0, loose=True)
@given(moves=MOVES, last=st.sampled_from(list(GOOD)), errors=st.sampled_from([0, 0, 20]), loose=st.booleans())
def test_whatever_specs_there_were_the_last_good_one_is_carried_out(moves, last, errors, loose):
    assert run_virtual(Story(errors, loose=loose).play(moves, last)) == fresh(errors, last)


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_spec_in_mid_rollout_takes_traffic_back_and_is_told(name):
    moves = [Move("spec", "one step", 4.0), Move("spec", name, 5.0)]
    assert run_virtual(Story(0, loose=True).play(moves, "base")) == fresh(0, "base")
