"""What a server's own controllers do in their own time, and how it is waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from canary.kube.resources import NAMESPACES, Resource
from e2e.truth.probe import MERGE, Probe
from e2e.truth.sifting import is_ours

# Seconds, and how often.
_POLL, _POLLS = 0.03, 300
_QUIET_POLL, _QUIET_POLLS = 0.15, 40
# What there is of each kind after a step, as far as the garbage collector decides it.
View = list[tuple[Any, ...]]


async def view_of(probe: Probe, resources: Iterable[Resource]) -> View:
    view: View = []
    for resource in resources:
        for item in await _items(probe, resource):
            meta = item["metadata"]
            if is_ours(resource, item):
                held, owners = meta.get("finalizers", []), len(meta.get("ownerReferences", ()))
                view.append((resource.plural, meta["name"], sorted(held), "deletionTimestamp" in meta, owners))
    return sorted(view)


async def view_like(probe: Probe, resources: Iterable[Resource], wanted: View) -> View:
    """The view, once it is as `wanted`; as it is after a while when it never is."""
    for _ in range(_POLLS):
        if (view := await view_of(probe, resources)) == wanted:
            return view
        await asyncio.sleep(_POLL)
    return view


async def quiet(probe: Probe, resource: Resource, name: str) -> dict[str, Any] | None:
    """A Deployment or a ReplicaSet, once its controller has said what it has to say.

    `None` when there is none or no end of it.
    """
    last = None
    for _ in range(_QUIET_POLLS):
        found = await probe.read(resource, name)
        if found is None:
            return None
        metadata = found["metadata"]
        observed = found.get("status", {}).get("observedGeneration") == metadata["generation"]
        if observed and metadata["resourceVersion"] == last:
            return found
        last = metadata["resourceVersion"]
        await asyncio.sleep(_QUIET_POLL)
    return None


async def clean(probe: Probe, resources: Iterable[Resource]) -> None:
    """Deletes whatever there is of `resources`."""
    send = probe.transport.request
    for resource in resources:
        if resource == NAMESPACES:
            continue
        path = probe.path(resource)
        for item in await _items(probe, resource):
            if item["metadata"].get("finalizers"):
                patch = json.dumps({"metadata": {"finalizers": None}}).encode()
                await send("PATCH", f"{path}/{item['metadata']['name']}", body=patch, content_type=MERGE)
        await send("DELETE", path, body=json.dumps({"gracePeriodSeconds": 0}).encode())


async def _items(probe: Probe, resource: Resource) -> list[dict[str, Any]]:
    if resource == NAMESPACES:
        return []
    answer = await probe.transport.request("GET", probe.path(resource))
    items: list[dict[str, Any]] = json.loads(answer.body).get("items", [])
    return items
