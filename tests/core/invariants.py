"""What every rollout must keep to, whatever happens: asked of the log of splits, and of the status."""

from __future__ import annotations

import msgspec

from canary.core.phases import TRANSITIONS, Phase


def check_split(commit):
    """S1 and design: integers that sum to 100, only what serves and the canary, the canary first and never at 0."""
    backends, state = commit.after.backends, commit.state
    assert sum(backend.weight for backend in backends) == 100
    assert all(type(backend.weight) is int and backend.weight >= 0 for backend in backends)
    names = [backend.service for backend in backends]
    assert names in ([state.canary, state.serving], [state.serving])
    assert len(set(names)) == len(names)
    if len(backends) == 2:
        assert backends[0].weight == state.weight > 0
    assert state.running or state.weight == 0
    assert commit.observed.plan is None or commit.observed.plan.root not in names


def check_raise(commit, before):
    """A raise has a gate for its revision and for the last weight change, and goes no further than one step."""
    state, gate = commit.state, commit.state.gate
    assert gate is not None
    assert gate.revision == state.revision != ""
    assert (gate.split, gate.change) == (commit.before.uid, before.change)
    assert commit.change.guarded
    assert state.revision not in (*before.rejected, *commit.observed.record.rejected)
    side = commit.observed.sides[state.canary]
    assert side.ready > 0
    assert side.revision == state.revision
    plan = commit.observed.plan or commit.observed.last_plan
    if gate.kind != "Command":
        assert state.weight <= plan.next_weight(before.step)
        assert not plan.suspend
        assert not before.pause
    if gate.kind == "Window":
        assert set(gate.verdicts.values()) == {"Healthy"}
        assert commit.now.monotonic <= commit.change.expires_at
        assert gate.requests >= plan.stage(before.step).min_requests


def rebuilt(commit):
    """The first state of this split, or the first after it was lost."""
    return commit.before is None or commit.before.state is None or "StateRebuilt" in commit.said


def check_write(commit):
    state = commit.state
    if rebuilt(commit):
        assert state.weight == 0
        return
    before = commit.before.state
    assert state.seq == before.seq + 1
    assert state.phase is before.phase or state.phase in {
        target for (source, _), target in TRANSITIONS.items() if source is before.phase
    }
    if state.serving != before.serving:
        assert (before.weight, state.phase) == (100, Phase.PROMOTED)
    elif state.weight > before.weight:
        check_raise(commit, before)
    if state.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK):
        assert state.weight == 0


def check_moves_to_something(commit):
    """S8: no traffic is moved to a side without endpoints from one that has some."""
    before, after = commit.before, commit.after
    if rebuilt(commit):
        return
    canary, serving = before.state.canary, before.state.serving
    if commit.state.serving == serving and after.weight_of(serving) > before.weight_of(serving):
        sides = commit.observed.sides
        assert not (sides[serving].gone and canary in sides and sides[canary].ready > 0)


def check_rejected(log):
    """S5: a rejected revision has no weight until a retry."""
    barred = set()
    for commit in log:
        if "RetryStarted" in commit.said:
            barred.discard(commit.state.revision)
        if commit.state.weight:
            assert commit.state.revision not in barred
        if rebuilt(commit):
            barred = set(commit.state.rejected)
        barred |= set(commit.state.rejected)


def check_status(r):
    conditions = {condition.type: condition.status for condition in r.status.conditions}
    assert not (conditions.get("Reconciling") == "True" and conditions.get("Stalled") == "True")
    assert conditions["Ready"] != "True" or not {"Reconciling", "Stalled"} & set(conditions)
    assert conditions["Promoted"] != "True" or conditions["Ready"] == "True"
    assert r.status.record is None or r.split is None or r.split.state is None or not r.projects or (
        r.status.record.seq <= max(r.split.state.seq, r.record.seq)
    )  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(r.status), type=type(r.status)) == r.status
