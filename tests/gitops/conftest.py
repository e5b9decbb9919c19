"""Builders: a world, the decision on it, and the Canary whose status it becomes."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
import pytest

from canary.api.canary import CanaryStatus
from canary.core.decide import decide
from canary.core.decision import Decision
from canary.core.memory import Memory, trusted_state
from canary.core.observed import Backend, Now, Observed, Side, Split, revision_name
from canary.core.plan import Limit, Plan, Stage
from canary.core.state import State
from canary.core.status import Subject, project

NOW = Now(monotonic=1000.0, wall=1_800_000_000.0)
GENERATION = 3
OLD = revision_name("shop-v1", ("aaa",))


class Show(Protocol):
    """Makes the Canary, as JSON, that reports a state. `None` for the state: nothing is decided yet."""

    def __call__(
        self,
        state: dict[str, Any] | None = None,
        *,
        plan: dict[str, Any] | None = None,
        memory: dict[str, Any] | None = None,
        decision: Decision | None = None,
        **observed: Any,
    ) -> dict[str, Any]: ...


class NotAtRest(Exception):
    """A write is due first, so that no status is reported."""


def a_plan(**overrides: Any) -> Plan:
    stages = (Stage(weight=5, hold=60.0), Stage(approval="prod"), Stage(weight=100, hold=60.0))
    defaults: dict[str, Any] = {
        "root": "shop", "stable": "shop-v1", "canary": "shop-v2", "stages": stages, "hash": "h",
        "limits": (Limit("success-rate", 99.0),),
    }  # fmt: skip
    return Plan(**(defaults | overrides))


def a_state(**overrides: Any) -> State:
    defaults: dict[str, Any] = {
        "uid": "u", "seq": 4, "serving": "shop-v1", "promoted": OLD, "plan": "h", "since": NOW.wall, "moved": NOW.wall,
        "started": NOW.wall - 60.0,
    }  # fmt: skip
    return State(**(defaults | overrides))


def a_split(state: State | None, **overrides: Any) -> Split:
    weight = state.weight if state else 0
    canary = (Backend(state.canary, weight),) if state and weight else ()
    serving = state.serving if state else "shop-v1"
    defaults: dict[str, Any] = {"uid": "s", "state": state, "backends": (*canary, Backend(serving, 100 - weight))}
    return Split(**(defaults | overrides))


def a_side(service: str, *hashes: str, **overrides: Any) -> Side:
    defaults: dict[str, Any] = {"ready": len(hashes), "hashes": hashes, "ready_at": NOW.wall - 3600.0}
    return Side(service, **(defaults | overrides))


def a_world(state: State | None, plan: Plan | None, **overrides: Any) -> Observed:
    sides = {"shop-v1": a_side("shop-v1", "aaa"), "shop-v2": a_side("shop-v2", "bbb")}
    defaults: dict[str, Any] = {"uid": "u", "plan": plan, "split": a_split(state), "sides": sides}
    return Observed(**(defaults | overrides))


def as_object(status: CanaryStatus, *, deleting: bool = False) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "shop", "namespace": "shop", "generation": GENERATION}
    if deleting:
        metadata["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    spec = {"steps": [{"weight": 5, "hold": "60s"}, {"approval": "prod"}, {"weight": 100, "hold": "60s"}]}
    return {
        "apiVersion": "canary.delivery/v1beta1", "kind": "Canary", "metadata": metadata, "spec": spec,
        "status": msgspec.to_builtins(status),
    }  # fmt: skip


@pytest.fixture(scope="session")
def show() -> Show:
    def build(
        state: dict[str, Any] | None = None,
        *,
        plan: dict[str, Any] | None = None,
        memory: dict[str, Any] | None = None,
        decision: Decision | None = None,
        **observed: Any,
    ) -> dict[str, Any]:
        known = None if state is None else a_state(**state)
        valid = a_plan(**(plan or {}))
        world = a_world(known, None if "invalid" in observed else valid, **({"last_plan": valid} | observed))
        remembered = Memory(**({"hold_until": NOW.monotonic + 30.0, "answered": True, "warm_at": 0.0} | (memory or {})))
        decided = decision or decide(world, remembered, NOW)
        if decided.change is not None:
            raise NotAtRest(decided)
        status = project(
            Subject(GENERATION, CanaryStatus()), world, trusted_state(world, remembered), remembered, decided, NOW
        )
        return as_object(status, deleting=world.deleting)

    return build


@pytest.fixture(scope="session")
def at_rest(show: Show) -> Any:
    """`show` for a generated world; `None` when a write is due first, so that nothing is reported."""

    def build(state: Any, plan: Any, memory: Any, world: dict[str, Any], decision: Decision | None) -> Any:
        fields = dict(world)
        split = {name: fields.pop(name) for name in ("ownership", "terminating", "newer") if name in fields}
        fields["sides"] = {"shop-v2": fields.pop("canary"), "shop-v1": fields.pop("stable")}
        known = None if state is None else a_state(**state)
        if fields.get("split_known", True):
            stored = None if split.get("newer") else known
            fields["split"] = a_split(stored, **split) if state or split.get("terminating") else None
        else:
            fields["split"] = None
        try:
            return show(state, plan=plan, memory=memory, decision=decision, **fields)
        except NotAtRest:
            return None

    return build
