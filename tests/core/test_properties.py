"""Whatever happens, in any order: the invariants of the traffic hold on the log of splits.

A rollout is played through random events of the world. After each one the controller looks, and every write that it
makes is checked against the one before it and against what was seen.
"""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core.decide import evaluate
from canary.core.phases import Phase
from canary.core.plan import Limit, Stage
from canary.core.window import Missing, Sample, SourceFailure
from tests.core.invariants import check_moves_to_something, check_rejected, check_split, check_status, check_write

GOOD = Sample(1000.0, 0.0, {"p99": 0.1})
SAMPLES = st.sampled_from(
    [GOOD] * 4
    + [Sample(3.0, 1.0, {"p99": 0.1}), Sample(900.0, 100.0, {"p99": 0.1}), Sample(10.0, 990.0, {"p99": 4.0}),
       Sample(1000.0, 0.0, {}), Sample(1000.0, 0.0, {"p99": 0.9}), Missing("no series")]
)  # fmt: skip


def of(name, *values):
    return [(name, value) for value in values]


# Each line is as likely as any other, so that rollouts get far and the rare events meet one another.
EVENTS = st.one_of(
    *[st.tuples(st.just("windows"), st.integers(1, 6))] * 4,
    st.tuples(st.just("window"), SAMPLES),
    st.tuples(st.just("edit"), st.one_of(st.integers(0, 100), st.sampled_from(["third", "malformed"]))),
    *map(
        st.sampled_from,
        [
            of(
                "pods", *[("v2", what) for what in ("gone", "mixed", "mixed", "a", "b", "ports", "unhashed", "unknown")]
            ),
            of("pods", *[("v1", what) for what in ("gone", "gone", "unknown", "a", "b")]) + of("pods", ("v3", "a")),
            of("pods", ("v1", "a"), ("v2", "a"), ("v2", "b")),
            of("order", "promote", "promote-full", "pause", "resume", "approve/go", "approve/x", "jump"),
            of("order", "retry", "resume", "approve/go"),
            of("order for", "", "v2-0000000000") + of("abort", "", "current", "v2-0000000000"),
            of("spec", "v1", "v2", "v3", "invalid", "valid", "suspend", "go", "steps", "label"),
            of("spec", "v2", "valid", "go"),
            of("wait", 0.3, 1.0, 7.0, 16.0, 120.0, 900.0) + of("clock", 3600.0, -3600.0) + of("failure", None),
            of("lose", "state", "split", "copy") + of("restart", None),
            of("projection", True, False)
            + of("problem", "conflict", "root_problem", "target_problem", "version_problem", "", "", ""),
        ],
    ),
)
PLANS = st.sampled_from(
    [
        {},
        {"stages": (Stage(5), Stage(approval="go"), Stage(50, hold=20.0, min_requests=2000), Stage(100))},
        {"stages": (Stage(approval="go"), Stage(30), Stage(100, hold=30.0)), "failure_limit": 1},
        {"stages": (Stage(100),), "no_data_action": "Rollback", "source_action": "Rollback"},
        {"stages": (Stage(1), Stage(2), Stage(100), Stage(approval="go")), "no_data_action": "Advance",
         "no_data_timeout": 20.0, "limits": (Limit("success-rate", 99.0, 50.0),)},
    ]
)  # fmt: skip


class Play:
    """Applies events to a rollout and looks after each until nothing is written."""

    def __init__(self, rollout, side, gone, overrides):
        self.r, self.side, self.gone = rollout(**(overrides | {"settle": 3.0, "warmup": 5.0})), side, gone
        self.ticks = 0

    def do(self, name, value):
        readings = getattr(self, "_" + name.replace(" ", "_"))(value)
        count = len(self.r.log)
        self.r.rest(*(readings or ()))
        assert len(self.r.log) - count <= 8
        self._idempotent()

    def _idempotent(self):
        memory, decision = evaluate(self.r.observed, self.r.memory, (), self.r.now)
        assert decision.change is None
        assert evaluate(self.r.observed, memory, (), self.r.now) == (memory, decision)
        assert decision.wake_at is None or decision.wake_at > self.r.monotonic

    def _window(self, sample):
        self.r.wait(10.0)
        return (self.r.reading(sample),)

    def _windows(self, count):
        for _ in range(count):
            self.r.window()

    def _failure(self, _):
        self.r.wait(10.0)
        return (SourceFailure(self.r.monotonic, self.r.wall, "503"),)

    def _wait(self, seconds):
        self.r.wait(seconds)

    def _clock(self, jump):
        self.r.wall += jump

    def _restart(self, _):
        self.r.restart()

    def _revision(self):
        return self.r.split.state.revision if self.r.split and self.r.split.state else ""

    def _order(self, verb):
        self.ticks += 1
        self.r.command = f"{verb}@{self._revision()}@{self.ticks}"

    def _order_for(self, revision):
        self.ticks += 1
        self.r.command = f"promote-full@{revision}@{self.ticks}"

    def _abort(self, revision):
        self.ticks += 1
        self.r.abort = f"{self._revision() if revision == 'current' else revision}@{self.ticks}"

    def _pods(self, pair):
        service, what = pair
        ready_at = self.r.wall
        self.r.set(
            {
                "gone": self.gone(service),
                "unknown": self.side(service, known=False, ready=0, hashes=None),
                "unhashed": self.side(service, hashes=None),
                "mixed": self.side(service, "a", "b", ready_at=ready_at),
                "a": self.side(service, "a", ready_at=ready_at),
                "b": self.side(service, "b", ready_at=ready_at),
                "ports": self.side(service, "a", missing_ports=(9090,)),
            }[what]
        )

    def _spec(self, what):
        if what == "invalid":
            self.r.break_spec()
        elif what.startswith("v") and what != "valid":
            self.r.change(canary=what, stable="v2" if what == "v1" else "v1")
        else:
            self.ticks += 1
            self.r.change(**{
                "valid": {}, "suspend": {"suspend": True}, "go": {"suspend": False},
                "label": {"label": str(self.ticks)},
                "steps": {"stages": (Stage(10), Stage(60, hold=10.0), Stage(100))},
            }[what])  # fmt: skip

    def _edit(self, weight):
        split = self.r.split
        if split is None or split.state is None:
            return
        serving, other = split.state.serving, split.state.canary or "v9"
        if weight == "third":
            self.r.by_hand((serving, 60), ("x", 40))
        elif weight == "malformed":
            self.r.by_hand((serving, 7), (other, 7), malformed=True)
        else:
            self.r.by_hand(*[(s, w) for s, w in ((other, weight), (serving, 100 - weight)) if w])

    def _lose(self, what):
        split = self.r.split
        if what == "copy":
            self.r.split = self.r.log[len(self.r.log) // 2].after
        elif split is not None:
            self.r.split = None if what == "split" else msgspec.structs.replace(split, state=None)

    def _projection(self, works):
        self.r.projects = works

    def _problem(self, name):
        self.r.seen = {name: "something is in the way"} if name else {}


@given(plan=PLANS, events=st.lists(EVENTS, min_size=8, max_size=30))
@settings(max_examples=300, deadline=None)
def test_the_invariants_hold_whatever_happens(rollout, side, gone, plan, events):
    play = Play(rollout, side, gone, plan)
    for event in [("wait", 0.0), ("wait", 6.0), ("window", GOOD), *events]:
        play.do(*event)
        check_status(play.r)
    for commit in play.r.log:
        check_split(commit)
        check_write(commit)
        check_moves_to_something(commit)
    check_rejected(play.r.log)


@given(plan=PLANS, events=st.lists(EVENTS, min_size=4, max_size=15))
@settings(max_examples=100, deadline=None)
def test_when_the_world_is_well_again_every_rollout_comes_to_an_end(rollout, side, gone, plan, events):
    """L1: after the last fault a rollout ends, promoted or rolled back, unless people or a policy hold it."""
    play = Play(rollout, side, gone, plan)
    for event in [("wait", 0.0), ("wait", 6.0), ("window", GOOD), *events]:
        play.do(*event)
    r = play.r
    r.seen, r.projects = {}, True
    r.change(suspend=False)
    r.set(side("v1", "a"), side("v2", "b"), side("v3", "c"))
    for time in range(60):
        play.do("window", GOOD)
        if r.phase is Phase.PROGRESSING or r.phase is Phase.PROMOTING:
            r.order("approve/go" if r.outlook == "WaitingForApproval" else "resume", time=f"end{time}")
    assert r.phase in (Phase.PROMOTED, Phase.ROLLED_BACK, Phase.IDLE), (r.outlook, r.decision)
    count = len(r.log)
    for _ in range(3):
        play.do("wait", 3600.0)
    assert len(r.log) <= count + 1


@pytest.mark.parametrize("plan", [{}, {"stages": (Stage(5), Stage(approval="go"), Stage(100))}])
def test_the_play_itself_reaches_the_end(rollout, side, gone, plan):
    play = Play(rollout, side, gone, plan)
    for event in [("wait", 6.0), ("windows", 4), ("order", "approve/go"), ("windows", 8), ("windows", 8)]:
        play.do(*event)

    assert play.r.phase is Phase.PROMOTED
