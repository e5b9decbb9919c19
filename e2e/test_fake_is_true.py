"""The embedded API server answers as the real one does, request by request."""

from __future__ import annotations

import asyncio
import random
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from pprint import pformat
from typing import Any

import pytest
import yaml

from canary.kube.client import Client
from canary.kube.clock import SystemClock
from canary.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES
from canary.kube.transport import Transport
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.apiserver.server import ApiServer
from e2e.conftest import HERE, REPOSITORY, USER_AGENT
from e2e.plane import Plane
from e2e.truth import builtin, patches, reads, removal, writes
from e2e.truth.objects import CANARIES, SPLITS, canary, owner, split
from e2e.truth.probe import Probe, typed

CRDS = (HERE / "manifests" / "trafficsplits.yaml", REPOSITORY / "crds" / "canaries.yaml")
Scenario = Callable[[Probe], Awaitable[None]]
SCENARIOS: tuple[Scenario, ...] = (
    *writes.SCENARIOS,
    *patches.SCENARIOS,
    *removal.SCENARIOS,
    *reads.SCENARIOS,
    *builtin.SCENARIOS,
)
_LISTED = tomllib.loads((HERE / "truth" / "differences.toml").read_text())["difference"]
# Scenario and answer to the parts of the answer that are known to differ.
KNOWN = {(entry["scenario"], entry["answer"]): frozenset(entry["fields"]) for entry in _LISTED}


@pytest.fixture(scope="session")
def collected(canaries: Plane) -> Plane:
    """The plane, once its garbage collector knows both custom resources: it looks for new kinds twice a minute."""
    parent = canaries.api.json("POST", CANARIES.path("default"), {**typed(CANARIES), **canary("parent")})
    child = split("child", ownerReferences=[owner(CANARIES, parent)])
    canaries.api.json("POST", SPLITS.path("default"), {**typed(SPLITS), **child})
    canaries.api.json("DELETE", CANARIES.path("default", "parent"))
    canaries.controller_manager.wait_until(lambda: not canaries.api.json("GET", SPLITS.path("default"))["items"], 90.0)
    return canaries


@pytest.fixture
async def embedded(namespace: str) -> AsyncIterator[Transport]:
    """A fresh embedded server with the same definitions and the same namespace."""
    server = ApiServer(SystemClock(), random.Random(1))
    transport = DirectTransport(server, user_agent=USER_AGENT)
    client = Client(transport, clock=SystemClock(), rng=random.Random(1))
    for manifest in CRDS:
        await client.create(CUSTOM_RESOURCE_DEFINITIONS, yaml.safe_load(manifest.read_text()))
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    yield transport
    await client.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_the_embedded_server_answers_as_the_real_one(
    collected: Plane, admin: Client, embedded: Transport, namespace: str, scenario: Scenario
) -> None:
    ownership = scenario in patches.SCENARIOS
    real, fake = Probe(admin.transport, namespace, ownership), Probe(embedded, namespace, ownership)
    await asyncio.gather(scenario(real), scenario(fake))
    assert [label for label, _ in fake.notes] == [label for label, _ in real.notes]
    different = [
        f"{label}\n" + "\n".join(_differences(true, said))
        for (label, true), (_, said) in zip(real.notes, fake.notes, strict=True)
        if true != said and _fields(true, said) != KNOWN.get((scenario.__name__, label))
    ]
    assert not different, f"{len(different)} of {len(real.notes)} answers differ\n\n" + "\n\n".join(different)
    apart = {label for (label, true), (_, said) in zip(real.notes, fake.notes, strict=True) if true != said}
    known = {label for name, label in KNOWN if name == scenario.__name__}
    assert not known - apart, "listed in differences.toml, but no longer different"


def test_few_differences_are_known_and_each_is_of_a_scenario_that_there_is() -> None:
    assert len(KNOWN) == len(_LISTED) <= 10
    assert {name for name, _ in KNOWN} <= {scenario.__name__ for scenario in SCENARIOS}
    assert all(entry["why"] for entry in _LISTED)


def _fields(true: Any, said: Any) -> frozenset[str]:
    """The parts in which two notes differ."""
    if not (isinstance(true, dict) and isinstance(said, dict)):
        return frozenset()
    keys = true.keys() | said.keys()
    return frozenset(keys - {key for key in keys if true.get(key, _ABSENT) == said.get(key, _ABSENT)})


def _differences(true: Any, said: Any, path: str = "") -> list[str]:
    """Where two notes differ, innermost first."""
    if isinstance(true, dict) and isinstance(said, dict):
        keys = sorted(true.keys() | said.keys(), key=str)
        return [
            line
            for key in keys
            if true.get(key, _ABSENT) != said.get(key, _ABSENT)
            for line in _differences(true.get(key, _ABSENT), said.get(key, _ABSENT), f"{path}.{key}")
        ]
    if isinstance(true, list) and isinstance(said, list) and len(true) == len(said):
        pairs = enumerate(zip(true, said, strict=True))
        return [line for i, (a, b) in pairs if a != b for line in _differences(a, b, f"{path}[{i}]")]
    return [
        f"  {path or 'answer'}: real {pformat(true, width=200)}",
        f"  {' ' * len(path)}  fake {pformat(said, width=200)}",
    ]


_ABSENT = "(absent)"
