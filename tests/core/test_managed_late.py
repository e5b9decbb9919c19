"""Several processes in managed mode: one is stopped after it has prepared a write, and goes on at any later time.

Its write lands unless the object was written since. Whatever happened meanwhile, it takes no traffic from ready pods,
starves no side, and puts no template on stable that the phase does not permit.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core.actions import Deed, due
from canary.core.actions.upkeep import CLOSED
from canary.core.phases import Phase
from canary.core.window import Sample
from tests.core.cluster import CANARY_SERVICE, FENCED
from tests.core.managed import Managed
from tests.core.managed_invariants import check_reach, reach

BAD = Sample(900.0, 100.0, {"p99": 0.1})


class Stopped:
    """A world, and the writes that stopped processes have prepared in it."""

    def __init__(self):
        self.r = Managed(settle=3.0, warmup=5.0)
        self.held = []

    def hold(self):
        """Whatever is due now has been prepared by somebody who stops here."""
        actions = due(self.r.observed, self.r.memory, self.r.now)
        self.held += [(a, self.r.cluster.version(a)) for a in actions if a.deed in FENCED]

    def rest(self, *readings):
        """The controller works, and at each of its writes another process stops before its own."""
        for count in range(60):
            self.hold()
            if not self.r.step(*(readings if not count else ())):
                return
        raise AssertionError(f"no fixpoint: {self.r.writes[-12:]}")

    def window(self, *samples):
        self.r.wait(10.0)
        self.rest(self.r.reading(*samples))

    def land(self):
        """All of them go on."""
        for action, version in self.held:
            if self.r.cluster.version(action) == version:
                check_late(self.r, action)
        self.held.clear()


def check_late(r, action):
    before, state = reach(r), r.split.state if r.split else None
    weight = r.split.weight_of(CANARY_SERVICE) if r.split else 0
    if action.deed is Deed.SCALE_CANDIDATE and action.replicas < r.candidate.replicas:
        assert not weight
    if action.deed in (Deed.WRITE_STABLE, Deed.CREATE_STABLE):
        if action.revision not in r.cluster.pins:
            return
        assert state is None or action.revision == state.promoted or state.phase not in (*CLOSED, Phase.PROGRESSING)
    r.cluster.do(action)
    check_reach(r, before)


EVENTS = st.one_of(
    *[st.tuples(st.just("windows"), st.integers(1, 5))] * 5,
    *[st.just(("land",))] * 3,
    *[st.tuples(st.just("push"), st.sampled_from(["r1", "r2", "r3"]))] * 2,
    st.sampled_from([("breach",), ("abort",), ("retry",), ("lost",), ("gone",), ("well",), ("promote-full",)]),
    st.sampled_from([("resize", 2), ("resize", 6), ("restart",), ("delete",), ("delete",)]),
)


def play(world, name, value=None):
    r = world.r
    for _ in range(value if name == "windows" else 0):
        world.window()
    if name == "land":
        world.land()
    elif name == "breach":
        world.window(BAD)
    else:
        happen(r, name, value)
    world.rest()


def happen(r, name, value):
    """What the world does at once."""
    if name == "push":
        r.push(value)
    elif name == "resize":
        r.resize(value)
    elif name in ("retry", "promote-full"):
        r.command = f"{name}@{r.split.state.revision if r.split else ''}@{r.monotonic}"
    elif name == "abort":
        r.abort = f"@{r.monotonic}"
    elif name == "lost":
        r.split = None
    elif name in ("gone", "well"):
        r.candidate.quota = 0 if name == "gone" else 1000
        r.candidate.pods = r.candidate.pods if name == "well" else []
    elif name == "restart":
        r.restart()
    elif name == "delete" and not r.seen:
        r.delete()


@given(events=st.lists(EVENTS, min_size=4, max_size=25), begin=st.integers(0, 4))
@settings(max_examples=200, deadline=None)
def test_a_write_that_lands_late_does_no_harm(events, begin):
    world = Stopped()
    for event in [("windows", begin), ("push", "r2"), *events, ("land",), ("windows", 5), ("land",)]:
        play(world, *event)


@pytest.mark.parametrize("ends", ["abort", "delete", "lost", "push"])
@pytest.mark.parametrize("windows", range(1, 26, 2))
def test_writes_of_every_moment_of_a_rollout_that_land_after_its_end_do_no_harm(windows, ends):
    world = Stopped()
    play(world, "windows", 3)
    play(world, "push", "r2")
    play(world, "windows", windows)
    play(world, ends, "r3")
    play(world, "windows", 6)
    play(world, "land")
    play(world, "windows", 6)
