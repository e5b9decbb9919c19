"""What is stored already stays usable: the rules of a newer definition never stand between the controller and its own
writes, and every stored Canary has a row that names its target.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from canary.api.crd import crd
from canary.kube.client import Client
from canary.kube.errors import Invalid
from canary.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, Resource
from e2e.plane import Plane
from e2e.truth.probe import TABLE

CANARIES = Resource("canary.delivery", "v1beta1", "canaries", "Canary")
FINALIZER = {"metadata": {"finalizers": ["canary.delivery/finalizer"]}}
SERVICES = {"backends": {"stable": "web-v1", "canary": "web-v2"}, "service": {"name": "web"}, "steps": [{"weight": 5}]}
MANAGED = {"targetRef": {"name": "web-api"}, "service": {"name": "web"}, "steps": [{"weight": 5}]}
STORED: dict[str, dict[str, Any]] = {
    "services": SERVICES,
    "managed": MANAGED,
    # What only a looser definition lets in.
    "both": {**SERVICES, "targetRef": {"name": "web-api"}},
    "neither": {"service": {"name": "web"}, "steps": [{"weight": 5}]},
    "unsupported": {**MANAGED, "targetRef": {"kind": "StatefulSet", "name": "web-api"}},
    "misplaced": {**SERVICES, "canaryScale": "Full", "service": {"name": "web", "adopt": "Force"}},
}


def definition(resource: Resource, *, rules: bool) -> dict[str, Any]:
    """The shipped definition in another group, so that it can be exchanged."""
    made: dict[str, Any] = json.loads(json.dumps(crd()))
    made["metadata"]["name"] = f"{resource.plural}.{resource.group}"
    made["spec"]["group"] = resource.group
    return made if rules else _without_rules(made)


def _without_rules(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_rules(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {name: _without_rules(item) for name, item in node.items() if name != "x-kubernetes-validations"}


def canary(name: str, spec: dict[str, Any], resource: Resource = CANARIES) -> dict[str, Any]:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}, "spec": spec}


@pytest.fixture
async def old(plane: Plane, admin: Client, namespace: str, tmp_path: Path) -> AsyncIterator[Resource]:
    """A resource with objects that were stored before there were rules; now there are."""
    resource = Resource(f"{namespace}.canary.delivery", CANARIES.version, CANARIES.plural, CANARIES.kind)
    manifest = tmp_path / "definition.json"
    manifest.write_text(json.dumps(definition(resource, rules=False)))
    plane.apply_crd(manifest)
    for name, spec in STORED.items():
        await admin.create(resource, canary(name, spec, resource), namespace)
    manifest.write_text(json.dumps(definition(resource, rules=True)))
    plane.apply_crd(manifest)
    await _in_force(resource, admin, namespace)
    yield resource
    await admin.delete(CUSTOM_RESOURCE_DEFINITIONS, f"{resource.plural}.{resource.group}")


async def _in_force(resource: Resource, admin: Client, namespace: str) -> None:
    """Waits for the rules: they hold a moment after a definition was accepted."""
    body = json.dumps(canary("probe", STORED["neither"], resource)).encode()
    for _ in range(300):
        answer = await admin.transport.request("POST", resource.path(namespace), query={"dryRun": "All"}, body=body)
        if answer.status == 422:
            return
        await asyncio.sleep(0.1)
    pytest.fail("the rules did not come into force")


async def test_a_stored_canary_takes_status_and_finalizer_whatever_its_spec_says(
    old: Resource, admin: Client, namespace: str
) -> None:
    for name in STORED:
        status = {"status": {"observedGeneration": 1, "phase": "Invalid"}}
        await admin.patch(old, name, status, namespace, subresource="status")
        await admin.patch(old, name, FINALIZER, namespace)
        left = await admin.patch(old, name, {"metadata": {"finalizers": None}}, namespace)
        assert (left["status"]["phase"], "finalizers" in left["metadata"]) == ("Invalid", False)


async def test_a_stored_canary_of_no_mode_or_of_both_cannot_change_its_mode(
    old: Resource, admin: Client, namespace: str
) -> None:
    for name, patch in (("both", {"targetRef": None}), ("neither", {"targetRef": {"name": "web-api"}})):
        with pytest.raises(Invalid, match="must keep its mode"):
            await admin.patch(old, name, {"spec": patch}, namespace)


async def test_the_target_of_a_row_is_the_workload_or_else_the_root_service(
    canaries: Plane, admin: Client, namespace: str
) -> None:
    await admin.create(CANARIES, canary("managed", MANAGED), namespace)
    await admin.create(CANARIES, canary("services", SERVICES), namespace)
    answer = await admin.transport.request("GET", CANARIES.path(namespace), accept=TABLE)
    table = json.loads(answer.body)
    at = [column["name"] for column in table["columnDefinitions"]].index("Target")
    assert table["columnDefinitions"][at]["priority"] == 1
    assert [(row["cells"][0], row["cells"][at]) for row in table["rows"]] == [
        ("managed", "web-api"),
        ("services", "web"),
    ]
