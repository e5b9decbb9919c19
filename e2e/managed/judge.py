"""What every rollout of managed mode must keep, by what was stored: the one place where it is judged.

Traffic must never be sent where nobody is ready, never to a rejected release, and weights always sum to 100.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from e2e.commits import Commit
from e2e.managed.manifests import CANARY, LABELS, STABLE
from e2e.shop import NAME, state_of, weights_of

SERVICE_NAME = "kubernetes.io/service-name"


def violations(commits: Sequence[Commit], *, loses_pods: bool) -> Iterator[str]:
    """Every sentence is one violation. With `loses_pods` a side may be without Pods while it has weight."""
    world = _World()
    for commit in commits:
        world.take(commit)
        if commit.plural == "trafficsplits" and commit.new is not None:
            yield from _weights(commit, world)
        if commit.plural in ("trafficsplits", "endpointslices") and not loses_pods:
            yield from _starved(commit, world)
        if commit.plural in ("services", "deployments"):
            yield from _rejected(commit, world)


class _World:
    """The objects as of the commits so far."""

    def __init__(self) -> None:
        self.slices: dict[str, dict[str, Any]] = {}
        self.weights: dict[str, int] = {}
        self.services: dict[str, dict[str, str]] = {}
        self.deployments: dict[str, dict[str, Any]] = {}
        self.split: dict[str, Any] | None = None

    def take(self, commit: Commit) -> None:
        if commit.plural == "endpointslices":
            _put(self.slices, commit.name, commit.new)
        if commit.plural == "services":
            _put(
                self.services,
                commit.name,
                ((commit.new or {}).get("spec") or {}).get("selector") if commit.new else None,
            )
        if commit.plural == "deployments":
            _put(self.deployments, commit.name, commit.new)
        if commit.plural == "trafficsplits" and commit.name == NAME:
            self.split = commit.new
            self.weights = weights_of(commit.new)

    def ready(self, service: str) -> int:
        """Ready addresses of a Service, each once."""
        found = set()
        for piece in self.slices.values():
            if piece["metadata"].get("labels", {}).get(SERVICE_NAME) == service:
                for endpoint in piece.get("endpoints") or ():
                    if endpoint.get("conditions", {}).get("ready", True):
                        found |= set(endpoint["addresses"])
        return len(found)


def _put(known: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        known.pop(name, None)
    else:
        known[name] = value


def _weights(commit: Commit, world: _World) -> Iterator[str]:
    if sum(world.weights.values()) != 100:
        yield f"{commit.revision}: weights {world.weights} do not sum to 100"
    state = state_of(commit.new)
    if state is not None and state.weight and state.revision in state.rejected:
        yield f"{commit.revision}: {state.weight}% for {state.revision}, which was rejected"


def _starved(commit: Commit, world: _World) -> Iterator[str]:
    for service, weight in world.weights.items():
        if weight and not world.ready(service):
            yield f"{commit.revision}: {service} has weight {weight} and no ready endpoint"


def _rejected(commit: Commit, world: _World) -> Iterator[str]:
    """Without a split the root leads where its selector says: not to a template that was rejected."""
    state = state_of(world.split)
    target = world.deployments.get(NAME)
    if commit.plural != "services" or commit.name not in (NAME, STABLE) or state is None or target is None:
        return
    if world.services.get(commit.name) == LABELS and commit.old is not None and state.phase.value == "RolledBack":
        stable = world.deployments.get(STABLE)
        images = [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in (target, stable) if one]
        if len(set(images)) > 1:
            yield f"{commit.revision}: {commit.name} selects {images[0]}, which was rejected; stable runs {images[-1]}"


__all__ = ["CANARY", "violations"]
