"""What runs behind a Canary in managed mode: its two Deployments and its Services, as the API server has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.api.names import CANARY_LABEL
from canary.cli.canaries import View
from canary.kube.client import Client
from canary.kube.errors import ApiError, NotFound
from canary.kube.resources import DEPLOYMENTS, SERVICES

STABLE_SUFFIX = "-stable"
_QUICK: Mapping[str, Any] = {"timeout": 5.0, "attempts": 1}


@dataclass(frozen=True, slots=True)
class Part:
    """One object. `exists` is false for one that should be there; `wanted` and `ready` are pods of a Deployment.

    `about` says what it is for, `detail` which image runs or whose pods are selected.
    """

    kind: str
    name: str
    about: str = ""
    detail: str = ""
    wanted: int = 0
    ready: int = 0
    exists: bool = True


async def workload(client: Client, view: View) -> tuple[Part, ...] | None:
    """The parts, in at most four requests; none in services mode, `None` when they may not be read."""
    spec = view.raw.get("spec") or {}
    target, root = (spec.get("targetRef") or {}).get("name"), (spec.get("service") or {}).get("name")
    if not target or not root:
        return ()
    namespace = view.metadata.namespace
    label = f"{CANARY_LABEL}={view.metadata.name}"
    try:
        stable = await _deployment(client, namespace, f"{target}{STABLE_SUFFIX}", "what was promoted")
        candidate = await _deployment(client, namespace, target, "what is asked for")
        ours = (await client.list(SERVICES, namespace, label_selector=label, **_QUICK)).items
        found = {service["metadata"]["name"]: service for service in ours}
        if root not in found and (theirs := await _get(client, namespace, root)) is not None:
            found[root] = theirs
    except ApiError:
        return None
    names = ((root, "for callers"), (f"{root}{STABLE_SUFFIX}", ""), (f"{root}-canary", ""))
    return (stable, candidate, *(_service(name, about, found.get(name)) for name, about in names))


async def _get(client: Client, namespace: str, service: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = await client.get(SERVICES, service, namespace, **_QUICK)
    except NotFound:
        return None
    return found


async def _deployment(client: Client, namespace: str, name: str, about: str) -> Part:
    try:
        found = await client.get(DEPLOYMENTS, name, namespace, **_QUICK)
    except NotFound:
        return Part("Deployment", name, about, exists=False)
    spec, status = found.get("spec") or {}, found.get("status") or {}
    containers = (((spec.get("template") or {}).get("spec") or {}).get("containers")) or ()
    images = ", ".join(str(container.get("image") or "") for container in containers)
    wanted = spec.get("replicas")
    return Part(
        "Deployment", name, about, images, 1 if wanted is None else int(wanted), int(status.get("readyReplicas") or 0)
    )


def _service(name: str, about: str, found: Mapping[str, Any] | None) -> Part:
    if found is None:
        return Part("Service", name, about, exists=False)
    selector = (found.get("spec") or {}).get("selector") or {}
    return Part("Service", name, about, "selects " + ",".join(f"{key}={selector[key]}" for key in sorted(selector)))
