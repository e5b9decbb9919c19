"""Managed mode, whatever happens, in any order: the invariants hold at every write, and in the end there is peace.

Events of the world are drawn one after another; after each the controller works until it has nothing to write, or only
for some writes, as one does that is killed. `Managed` checks each write as it is made.
"""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from canary.core.actions import due
from canary.core.decide import evaluate
from canary.core.phases import Phase
from canary.core.plan import Stage
from canary.core.window import Missing, Sample, SourceFailure
from canary.core.workload import Root, Selects
from tests.core.cluster import CANARY_SERVICE, STABLE_SERVICE, Deployment
from tests.core.invariants import check_status
from tests.core.managed import IDLE, Managed

GOOD = Sample(1000.0, 0.0, {"p99": 0.1})
SAMPLES = [GOOD, Sample(900.0, 100.0, {"p99": 0.1}), Sample(3.0, 1.0, {"p99": 0.1}), Missing("no series")]
ENDS = (Phase.IDLE, Phase.PROMOTED, Phase.ROLLED_BACK)


def of(name, *values):
    return st.sampled_from([(name, value) for value in values])


EVENTS = st.one_of(
    *[st.tuples(st.just("windows"), st.integers(1, 6))] * 6,
    *[of("push", "r1", "r2", "r3", "r4")] * 2,
    of("configure", "c1", "c2"),
    st.tuples(st.just("window"), st.sampled_from(SAMPLES), st.sampled_from(SAMPLES)),
    of("pods", "candidate gone", "stable gone", "candidate slow", "stable slow", "well", "well"),
    of("broken", "r2", "r3", "none", "none"),
    of("resize", 1, 3, 6) | of("replicas", 0, 1, 9),
    of("people", "delete stable", "delete target", "drift", "unpin", "root away", "root gone", "backend", "part"),
    of("elsewhere", True, False, False) | of("problem", True, False, False) | of("unknown", True, False, False),
    of("split", "lost", "state", "up", "down", "zero"),
    of("order", "promote", "promote-full", "pause", "resume", "retry", "approve/go") | of("abort", None),
    of("spec", "invalid", "suspend", "steps", "well", "well"),
    of("wait", 1.0, 7.0, 16.0, 120.0, 600.0) | of("failure", None) | of("strays", True, False),
    of("crash", 0, 1, 2, 3) | of("projection", True, False),
)
PLANS = st.sampled_from(
    [
        {},
        {"stages": (Stage(5), Stage(approval="go"), Stage(50, hold=20.0)), "canary_scale": "Full"},
        {"stages": (Stage(100),), "no_data_action": "Rollback", "source_action": "Rollback", "canary_scale": 2},
        {"stages": (Stage(1), Stage(60)), "no_data_action": "Advance", "no_data_timeout": 20.0, "failure_limit": 1},
    ]
)


class Play:
    """Applies events to a world, and lets the controller work after each."""

    def __init__(self, overrides, autoscaled):
        self.r = Managed(**(overrides | {"settle": 3.0, "warmup": 5.0}))
        self.r.cluster.autoscaled = autoscaled
        self.r.cluster.minimum = 2 if autoscaled else None
        self.ticks, self.writes = 0, None

    def do(self, name, *values):
        readings = getattr(self, "_" + name)(*values) or ()
        self.r.cluster.roll(self.r.wall)
        if self.writes is None:
            self.r.rest(*readings)
            self.still()
        else:
            self._killed(readings)

    def _killed(self, readings):
        """The process makes some writes and is killed; the next one does the rest."""
        for count in range(self.writes):
            self.r.step(*(readings if not count else ()))
        self.r.restart()
        self.writes = None
        self.r.rest()

    def still(self):
        """Who looks again at the same world changes nothing."""
        r = self.r
        memory, decision = evaluate(r.observed, r.memory, (), r.now)
        assert decision.change is None
        assert due(r.observed, memory, r.now) == ()
        assert decision.wake_at is None or decision.wake_at > r.monotonic

    def _windows(self, count):
        for _ in range(count):
            self.r.window()

    def _window(self, canary, stable):
        self.r.wait(10.0)
        return (self.r.reading(canary, stable),)

    def _failure(self, _):
        self.r.wait(10.0)
        return (SourceFailure(self.r.monotonic, self.r.wall, "503"),)

    def _wait(self, seconds):
        self.r.wait(seconds)

    def _strays(self, some):
        self.r.stray = Sample(3.0, 0.0, {"p99": 0.1}) if some else IDLE

    def _crash(self, writes):
        self.writes = writes

    def _projection(self, works):
        self.r.projects = works

    def _push(self, revision):
        if self.r.candidate:
            self.r.push(revision)

    def _configure(self, revision):
        if self.r.candidate and all(pod.named == self.r.candidate.revision for pod in self.r.candidate.pods):
            self.r.configure(revision)

    def _pods(self, what):
        for side in (self.r.candidate, self.r.stable):
            if side is not None and what == "well":
                side.quota, side.available = 1000, True
        name, _, fate = what.partition(" ")
        side = getattr(self.r, name) if fate else None
        if side is not None and fate == "gone":
            side.pods, side.quota = [], 0
        elif side is not None:
            side.available, side.quota = False, 1

    def _broken(self, revision):
        self.r.cluster.broken = {revision}

    def _resize(self, size):
        if self.r.candidate:
            self.r.resize(size)

    def _replicas(self, count):
        if self.r.candidate:
            self.r.candidate.scale(count)

    def _people(self, what):
        cluster = self.r.cluster
        if what == "delete stable":
            cluster.stable = None
        elif what == "delete target":
            cluster.candidate = None
        elif what == "drift" and cluster.stable is not None:
            cluster.stable.drifted = True
        elif what == "unpin":
            cluster.pins.clear()
        elif what == "root away":
            cluster.root = msgspec.structs.replace(cluster.root, selects=Selects.CANDIDATE)
        elif what == "root gone":
            cluster.root = Root()
        elif what == "backend":
            cluster.backend = Selects.CANDIDATE
        elif what == "part":
            cluster.parts.discard(f"Service/{CANARY_SERVICE}")

    def _elsewhere(self, there):
        words = "the Service is managed by Helm" if there else ""
        self.r.cluster.root = msgspec.structs.replace(self.r.cluster.root, elsewhere=words)

    def _problem(self, there):
        self.r.cluster.problem = ("NameTaken", "Service shop-canary belongs to somebody else") if there else None

    def _unknown(self, there):
        self.r.cluster.unknown = "the ConfigMap web is not readable" if there else ""

    def _split(self, what):
        split = self.r.split
        if split is None:
            return
        weight = split.weight_of(CANARY_SERVICE)
        if what == "lost":
            self.r.split = None
        elif what == "state":
            self.r.split = msgspec.structs.replace(split, state=None)
        elif what == "up":
            self.r.by_hand((CANARY_SERVICE, 90), (STABLE_SERVICE, 10))
        elif what == "down" and weight > 1:
            self.r.by_hand((CANARY_SERVICE, weight - 1), (STABLE_SERVICE, 101 - weight))
        elif what == "zero":
            self.r.by_hand((STABLE_SERVICE, 100))

    def _revision(self):
        return self.r.split.state.revision if self.r.split and self.r.split.state else ""

    def _order(self, verb):
        self.ticks += 1
        self.r.command = f"{verb}@{self._revision()}@{self.ticks}"

    def _abort(self, _):
        self.ticks += 1
        self.r.abort = f"@{self.ticks}"

    def _spec(self, what):
        if what == "invalid":
            self.r.break_spec()
        else:
            stages = {"stages": (Stage(10), Stage(60, hold=10.0), Stage(100))}
            changes = {"well": {"suspend": False}, "suspend": {"suspend": True}, "steps": stages}
            self.r.change(**changes[what])


BEGIN = [("windows", 5), ("push", "r2")]


@given(plan=PLANS, autoscaled=st.booleans(), events=st.lists(EVENTS, min_size=6, max_size=30))
@settings(max_examples=200, deadline=None)
def test_the_invariants_hold_and_in_the_end_there_is_peace(plan, autoscaled, events):
    play = Play(plan, autoscaled)
    for event in [*BEGIN, *events]:
        play.do(*event)
        check_status(play.r)
    heal(play)
    r = play.r
    still = 0
    for time in range(150):
        count = len(r.writes)
        play.do("window", GOOD, GOOD)
        answer_what_people_must(r, f"end{time}")
        still = still + 1 if len(r.writes) == count else 0
        if still == 8 and r.phase in ENDS:
            break
    assert r.phase in ENDS, (r.outlook, r.decision)
    assert r.stable.revision == r.state.promoted
    assert r.candidate.replicas == 0
    assert r.cluster.root.selects is Selects.STABLE
    count = len(r.writes)
    for _ in range(3):
        play.do("wait", 3600.0)
    assert len(r.writes) == count


@given(plan=PLANS, autoscaled=st.booleans(), events=st.lists(EVENTS, min_size=2, max_size=15))
@settings(max_examples=100, deadline=None)
def test_a_canary_can_always_be_deleted(plan, autoscaled, events):
    play = Play(plan, autoscaled)
    for event in [*BEGIN, *events]:
        play.do(*event)
    r = play.r
    promoted = r.state.promoted if r.split is not None and r.split.state is not None else r.record.promoted
    # Whoever has deleted both, what serves and the template that is kept of it, has left nothing to go back to.
    assume(r.cluster.stable is not None or promoted in r.cluster.pins)
    heal(play, target=False)
    r.delete()
    for _ in range(100):
        if r.finalized:
            break
        play.do("window", GOOD, GOOD)
    assert r.finalized, (r.decision, r.writes[-5:])


def answer_what_people_must(r, time):
    if r.split is None or r.split.state is None:
        if r.record.promoted and r.record.promoted not in r.cluster.pins and r.cluster.stable is None:
            r.push(r.record.promoted)  # Nobody else has the template any more.
        return
    if r.state.promoted and r.state.promoted not in r.cluster.pins:
        r.push(r.state.promoted)  # Nobody else has the template any more.
    if r.split.state.running:
        r.command = f"{'approve/go' if r.outlook == 'WaitingForApproval' else 'resume'}@{r.state.revision}@{time}"


def heal(play, *, target=True):
    """Everything is as it should be again, but for what was decided meanwhile."""
    r, cluster = play.r, play.r.cluster
    r.projects, cluster.broken, cluster.unknown, cluster.problem, play.writes = True, set(), "", None, None
    r.stray = IDLE
    if target and cluster.candidate is None:
        cluster.candidate = Deployment("r1", 4)
    play.do("spec", "well")
    play.do("pods", "well")
    play.do("elsewhere", False)


@pytest.mark.parametrize("autoscaled", [False, True])
def test_the_play_itself_reaches_the_end(autoscaled):
    play = Play({}, autoscaled)
    for event in [*BEGIN, ("windows", 6), ("windows", 6), ("windows", 6)]:
        play.do(*event)

    assert play.r.phase is Phase.PROMOTED
