"""Which Services a mesh still names: one that went would fail the requests of the mesh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from canary.api.kinds import TrafficSplit
from canary.api.names import OWNER_ANNOTATION
from canary.kube.client import Client
from canary.kube.errors import Forbidden, NotFound
from canary.kube.resources import Resource

NAMING = (
    Resource("linkerd.io", "v1alpha2", "serviceprofiles", "ServiceProfile"),
    Resource("networking.istio.io", "v1", "virtualservices", "VirtualService"),
)


async def named_by_a_mesh(client: Client, namespace: str, service: str) -> bool:
    """Whether a ServiceProfile or VirtualService still names this Service, as far as we may read them.

    Raises a `KubeError`.
    """
    for kind in NAMING:
        try:
            found = await client.list(kind, namespace, attempts=1)
        except (NotFound, Forbidden):
            continue
        words = (word for one in found.items for word in _words([one["metadata"]["name"], one.get("spec")]))
        if any(word == service or word.startswith(f"{service}.") for word in words):
            return True
    return False


def named_by_a_split(splits: Iterable[TrafficSplit], namespace: str, service: str, *, canary: str) -> bool:
    """Whether a TrafficSplit that is not this Canary's, as our marks say, names this Service."""
    others = (
        split
        for split in splits
        if split.metadata.namespace == namespace
        and (split.metadata.annotations or {}).get(OWNER_ANNOTATION, "").partition("/")[0] != canary
    )
    return any(backend.service == service for split in others for backend in split.spec.backends or ())


def _words(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(_words, value.values()))
    elif isinstance(value, list):
        yield from chain.from_iterable(map(_words, value))
