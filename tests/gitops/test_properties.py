"""Whatever the controller can report, the judges agree on it; whatever anybody reports, the script stands it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core.decision import Decision, Outlook
from canary.core.observed import Ownership, Side, revision_name
from canary.core.phases import Phase
from canary.sandbox.judges import argocd, consistent

NEW = revision_name("shop-v2", ("bbb",))
FAILURES = (
    Decision(outlook=Outlook("TrafficWriteRefused", "the API server refuses the write", blocked=True)),
    Decision(outlook=Outlook("WaitingForTrafficSplit", "the API server does not answer")),
)

sides = st.builds(
    lambda name, hashes, **more: Side(name, ready=len(hashes), hashes=hashes, **more),
    st.just("shop-v2"),
    st.sampled_from([(), ("bbb",), ("bbb", "ccc"), ("ccc",)]),
    exists=st.booleans(),
    known=st.booleans(),
    missing_ports=st.sampled_from([(), (80,)]),
    ready_at=st.sampled_from([None, 1_799_999_990.0]),
)
stable = st.builds(
    Side, st.just("shop-v1"), ready=st.integers(0, 1), hashes=st.sampled_from([("aaa",), None]), known=st.booleans()
)
problem = st.sampled_from([*[""] * 9, "it is not there"])
moment = st.sampled_from([None, None, 10.0, 990.0])


@st.composite
def states(draw: st.DrawFn) -> dict[str, Any] | None:
    phase = draw(st.sampled_from(Phase))
    if phase is Phase.INITIALIZING:
        return None
    tried = phase not in (Phase.IDLE, Phase.PROMOTED)
    weight = draw(st.sampled_from([0, 5, 100])) if phase in (Phase.PROGRESSING, Phase.PROMOTING) else 0
    return {
        "phase": phase, "weight": weight, "step": draw(st.integers(0, 3)), "canary": "shop-v2" if tried else "",
        "revision": NEW if tried else "", "pause": draw(st.sampled_from(["", "", "Paused", "ManualWeight"])),
        "serving": draw(st.sampled_from(["shop-v1", "shop-v2"])) if not tried else "shop-v1",
        "approvals": draw(st.sampled_from([(), ("prod",)])), "label": draw(st.sampled_from(["", "1.2"])),
        "rejected": draw(st.sampled_from([(), (NEW,)])), "reason": draw(st.sampled_from(["", "CheckFailed"])),
    }  # fmt: skip


plans = st.fixed_dictionaries(
    {"suspend": st.booleans(), "label": st.sampled_from(["", "1.2"]), "hash": st.sampled_from(["h", "h", "edited"])}
)
memories = st.fixed_dictionaries(
    {
        "waiting_since": moment, "failing_since": moment, "no_data_since": moment, "gone_since": moment,
        "warm_at": moment, "label_since": moment, "answered": st.booleans(),
        "source_reason": st.sampled_from(["", "503"]), "hold_until": st.sampled_from([990.0, 1030.0]),
    }
)  # fmt: skip
worlds = st.fixed_dictionaries(
    {"canary": sides, "stable": stable, "root_problem": problem, "target_problem": problem, "version_problem": problem,
     "conflict": problem, "deleting": st.sampled_from([False, False, False, True]),
     "ownership": st.sampled_from([Ownership.OURS, Ownership.OURS, Ownership.FREE, Ownership.FOREIGN])},
    optional={"invalid": st.just("spec.steps: must ascend"), "split_known": st.just(False),
              "terminating": st.just(True), "newer": st.just(True), "last_plan": st.none()},
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(states(), plans, memories, worlds, st.sampled_from([None, None, None, *FAILURES]))
def test_no_status_that_the_controller_reports_contradicts_itself(
    show: Any, at_rest: Any, state: Any, plan: Any, memory: Any, world: Any, decision: Any
) -> None:
    canary = at_rest(state, plan, memory, world, decision)
    assert canary is None or consistent(canary) == []


words = st.sampled_from(
    ["Ready", "Reconciling", "Stalled", "Paused", "Promoted", "True", "False", "Unknown", "", "Odd"]
)
conditions = st.dictionaries(st.sampled_from(["type", "status", "reason", "message"]), words)
statuses = st.fixed_dictionaries(
    {},
    optional={
        "observedGeneration": st.integers(-1, 4),
        "canaryWeight": st.one_of(st.integers(0, 100), st.none(), words),
        "conditions": st.lists(conditions, max_size=6),
        "phase": st.one_of(words, st.sampled_from([p.value for p in Phase])),
        "canaryRevision": words,
        "step": st.integers(0, 9),
    },
)


@settings(max_examples=300, deadline=None)
@given(statuses, st.integers(1, 3))
def test_the_health_script_and_the_discovery_stand_every_status(status: dict[str, Any], generation: int) -> None:
    canary = {"metadata": {"generation": generation}, "spec": {}, "status": status}
    health = argocd.health(canary)
    assert health.status in {"Healthy", "Progressing", "Degraded", "Suspended"}, health.message
    assert set(argocd.actions(canary)) == {"approve", "promote", "promote-full", "pause", "resume", "retry", "abort"}
