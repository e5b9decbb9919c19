"""An embedded API server that serves what the real one serves in these tests."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import yaml

from canary.kube.client import Client
from canary.kube.clock import SystemClock
from canary.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES
from canary.kube.transport import Transport
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.apiserver.server import ApiServer
from e2e.conftest import HERE, REPOSITORY, USER_AGENT

_DEFINITIONS = (HERE / "manifests" / "trafficsplits.yaml", REPOSITORY / "crds" / "canaries.yaml")


@asynccontextmanager
async def embedded() -> AsyncIterator[Transport]:
    """A fresh server that knows Canaries and TrafficSplits."""
    transport = DirectTransport(ApiServer(SystemClock(), random.Random(1)), user_agent=USER_AGENT)
    client = Client(transport, clock=SystemClock(), rng=random.Random(1))
    for manifest in _DEFINITIONS:
        await client.create(CUSTOM_RESOURCE_DEFINITIONS, yaml.safe_load(manifest.read_text()))
    try:
        yield transport
    finally:
        await client.close()


async def make_namespace(transport: Transport, name: str) -> None:
    client = Client(transport, clock=SystemClock(), rng=random.Random(1))
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
