"""What is left of a rollout, without what differs from run to run: times, sequence numbers, writers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import Any

from canary.api.names import CONTROLLER_MANAGER, FINALIZER, OWNER_ANNOTATION
from canary.core.state import decode_state
from canary.sandbox.apiserver.commitlog import Commit
from canary.sandbox.simulation import Simulation

_TOLD_ONCE = frozenset({"TemplateRestored"})
"""Events about writes that no state remembers: whoever dies after the write does not tell them."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a run, and the way there.

    `failed` counts the windows that were breached, `marks` are what the controller leaves on objects, and `shares` the
    weights that the canary has had. `workload` is that of managed mode.
    """

    weights: dict[str, int]
    state: tuple[Any, ...]
    failed: tuple[int, ...]
    status: tuple[Any, ...]
    conditions: tuple[tuple[str, str, str], ...]
    history: tuple[tuple[str, str, str], ...]
    marks: tuple[tuple[str, ...], ...]
    shares: tuple[int, ...]
    phases: tuple[str, ...]
    events: Counter[str]
    workload: tuple[str, ...] = ()

    def difference(self, other: Ending, *besides: str) -> list[str]:
        """What is not as in `other`, in words, besides the fields that are named; empty when the two are alike.

        Of events each reason must have been told, and none more often: who comes late may see less of what passed.
        """
        names = [field.name for field in fields(self) if field.name not in besides]
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in names}
        mine, theirs = pairs.pop("events", (Counter(), Counter()))
        if mine.keys() == theirs.keys() and mine <= theirs:
            mine = theirs
        pairs["events"] = (mine, theirs)
        return [f"{name}: {found} instead of {usual}" for name, (found, usual) in pairs.items() if found != usual]


def ending_of(sim: Simulation, trial: str) -> Ending:
    """The end of a simulation; `trial` is the Service under trial."""
    state, status, canary = sim.state(), sim.status(), sim.object("canaries")
    record = status.record
    commits = sim.cluster.server.commits.of("trafficsplits", sim.app.namespace)
    return Ending(
        weights=sim.weights(),
        state=(state.phase, state.weight, state.serving, state.promoted, state.rejected, state.reason) if state else (),
        failed=(state.failed if state else 0, status.failed_windows),
        status=(status.phase, status.canary_weight, status.step, status.promoted_revision),
        conditions=tuple(sorted((c.type, c.status, c.reason) for c in status.conditions)),
        history=tuple((entry.revision, entry.outcome, entry.reason) for entry in status.history),
        marks=(
            _marks(sim.object("trafficsplits")),
            _marks(canary),
            () if record is None or state is None else (record.serving, *record.rejected, str(record.seq == state.seq)),
        ),
        shares=_changes(_share(commit, trial) for commit in commits),
        phases=_changes(_phase(commit) for commit in commits),
        events=Counter(reason for reason, _ in sim.events() if reason not in _TOLD_ONCE),
        workload=_workload(sim),
    )


def _workload(sim: Simulation) -> tuple[str, ...]:
    """Managed mode: what the Deployments run in which size, what the root selects, and every part of ours."""
    last = {(c.plural, c.name): c.new for c in sim.cluster.server.commits if c.namespace == sim.app.namespace}
    found = []
    for (plural, name), obj in last.items():
        ours = obj is not None and OWNER_ANNOTATION in (obj["metadata"].get("annotations") or {})
        if obj is None or not (ours or name in (sim.app.name, f"{sim.app.name}-stable")):
            continue
        if plural == "deployments":
            spec = obj["spec"]
            image = spec["template"]["spec"]["containers"][0]["image"]
            found.append(f"{plural} {name} {image} {spec.get('replicas')}")
        elif plural == "services":
            found.append(f"{plural} {name} {obj['spec'].get('selector')}")
        elif plural in ("controllerrevisions", "configmaps"):
            found.append(f"{plural} {name}")
    return tuple(sorted(found))


def written(sim: Simulation, since: int = 0) -> Counter[str]:
    """How many writes of controllers were accepted from a commit on, by what they wrote; Leases left out."""
    commits = list(sim.cluster.server.commits)[since:]
    return Counter(
        f"{commit.plural}/{commit.subresource}".rstrip("/")
        for commit in commits
        if commit.manager == CONTROLLER_MANAGER and commit.plural != "leases"
    )


def leftovers(sim: Simulation) -> list[str]:
    """What must not be there after a Canary is gone."""
    if sim.object("canaries") is not None:
        return []
    split = sim.object("trafficsplits")
    metadata = split["metadata"] if split else {}
    found = [key for key in ("ownerReferences", "finalizers", "labels") if metadata.get(key)]
    return [f"the split keeps {key} after its Canary has gone" for key in found]


def _marks(found: dict[str, Any] | None) -> tuple[str, ...]:
    """The keys of metadata by which the controller marks what it works on."""
    if found is None:
        return ("gone",)
    metadata = found["metadata"]
    keys = [*metadata.get("annotations", {}), *metadata.get("labels", {})]
    finalizer = [FINALIZER] if FINALIZER in metadata.get("finalizers", []) else []
    return tuple(sorted(key for key in keys if key.startswith("canary.delivery/"))) + tuple(finalizer)


def _share(commit: Commit, service: str) -> int:
    backends = commit.new["spec"].get("backends", ()) if commit.new else ()
    return sum(backend["weight"] for backend in backends if backend["service"] == service)


def _phase(commit: Commit) -> str:
    annotations = (commit.new or {}).get("metadata", {}).get("annotations") or {}
    state = decode_state(annotations.get("canary.delivery/state"))
    return state.phase.value if state else ""


def _changes(values: Any) -> tuple[Any, ...]:
    found: list[Any] = []
    for value in values:
        if not found or value != found[-1]:
            found.append(value)
    return tuple(found)
