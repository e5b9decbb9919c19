"""A kind, and what generated sequences may do to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from canary.kube.resources import DEPLOYMENTS, REPLICA_SETS, Resource
from e2e.truth.objects import CANARIES, SPLITS

HOLD = "e2e.test/hold"
# Their controllers write their status in between.
CONTROLLED = (DEPLOYMENTS, REPLICA_SETS)
Edit = dict[str, Any]
JsonPatch = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind with what may be done to it. `edits` and `statuses` are merge patches, some of which are refused.

    `weight` is how often the kind is chosen, `versions` are those by which it is addressed.
    """

    versions: tuple[Resource, ...]
    build: Callable[[str], Edit]
    edits: tuple[Edit, ...]
    weight: int
    statuses: tuple[Edit, ...] = ()
    json_patches: tuple[JsonPatch, ...] = ()

    @property
    def resource(self) -> Resource:
        return self.versions[0]

    @property
    def custom(self) -> bool:
        return self.resource in (CANARIES, SPLITS)


def labelled(build: Callable[[str], Edit]) -> Callable[[str], Edit]:
    def built(name: str) -> Edit:
        made = build(name)
        labels = {"app": "x", "tier": "front" if name == "web" else "back"}
        return {**made, "metadata": {**made["metadata"], "labels": labels}}

    return built
