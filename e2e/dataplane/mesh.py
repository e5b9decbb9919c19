"""The mesh: it follows Services, EndpointSlices and TrafficSplits, and gives Envoy the configuration they ask for.

Whatever a route leads to is there before the route, and goes after it, so that a change loses no request. Each set of
weights is noted in the journal when it is written and when Envoy says that it is in use.

Run as `python -m e2e.dataplane.mesh SERVER CA_FILE TOKEN_FILE NAMESPACE DIRECTORY ADMIN_PORT`; Envoy must be running on
the files that `prepare` wrote. It ends with its standard input, and when Envoy does not take what it is given.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

from canary.api.kinds import Service, TrafficSplit
from canary.kube.client import Client
from canary.kube.clock import SystemClock
from canary.kube.errors import KubeError
from canary.kube.http import HttpTransport
from canary.kube.resources import ENDPOINT_SLICES, SERVICES, Resource
from canary.kube.store import Store
from canary.kube.watch import Reflector
from canary.sandbox.workloads.objects import PublishedSlice
from e2e.dataplane import envoy_config
from e2e.dataplane.admin import Admin
from e2e.dataplane.journal import Entry, append
from e2e.dataplane.routes import Routes, routes

SPLITS = Resource("split.smi-spec.io", "v1alpha4", "trafficsplits", "TrafficSplit")
POLL = 0.005
TAKEN_IN = 10.0
"""Seconds within which Envoy must use a file; it takes some milliseconds."""
NOTHING = Routes({}, {})


class MeshError(Exception):
    """Envoy does not take its configuration; its log says why."""


def journal_file(directory: Path) -> Path:
    return directory / "journal.jsonl"


def prepare(directory: Path, listen: int, admin: int) -> Path:
    """Writes a configuration without any Service, for Envoy to start with; the path of the bootstrap."""
    _put(envoy_config.cds_file(directory), envoy_config.clusters(directory, (), 0))
    _put(envoy_config.rds_file(directory), envoy_config.route_table(NOTHING, 0))
    path = directory / "bootstrap.json"
    _put(path, envoy_config.bootstrap(directory, listen, admin))
    return path


class Configuration:
    """The files of one Envoy, and what they say."""

    def __init__(self, directory: Path, admin: Admin) -> None:
        self._directory = directory
        self._admin = admin
        self._now = NOTHING
        self._version = 0

    async def apply(self, wanted: Routes) -> None:
        """Returns when Envoy uses `wanted`. Raises `MeshError`."""
        before, self._now = self._now, wanted
        self._version += 1
        for name, targets in wanted.clusters.items():
            if before.clusters.get(name) != targets:
                document = envoy_config.endpoints(name, targets, self._version)
                _put(envoy_config.eds_file(self._directory, name), document)
        added, gone = wanted.clusters.keys() - before.clusters.keys(), before.clusters.keys() - wanted.clusters.keys()
        if added:
            await self._put_clusters(before.clusters.keys() | wanted.clusters.keys())
        if wanted.weights != before.weights:
            await self._put_routes(wanted)
        if gone:
            await self._put_clusters(wanted.clusters.keys())
            for name in gone:
                envoy_config.eds_file(self._directory, name).unlink()

    async def _put_clusters(self, names: Set[str]) -> None:
        _put(envoy_config.cds_file(self._directory), envoy_config.clusters(self._directory, names, self._version))
        await self._until(lambda: self._admin.clusters() == names, f"version {self._version} of the clusters")

    async def _put_routes(self, wanted: Routes) -> None:
        written = _put(envoy_config.rds_file(self._directory), envoy_config.route_table(wanted, self._version))
        self._note(written, "written", wanted.weights)
        version = str(self._version)
        await self._until(lambda: self._admin.routes()[0] == version, f"version {version} of the routes")
        seen = self._admin.routes()[1]
        self._note(time.monotonic(), "used", seen)

    def _note(self, at: float, event: Any, weights: dict[str, dict[str, int]]) -> None:
        append(journal_file(self._directory), Entry(at, event, self._version, weights))

    async def _until(self, reached: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + TAKEN_IN
        while not await asyncio.to_thread(reached):
            if time.monotonic() > deadline:
                raise MeshError(f"Envoy has not taken {what} in {TAKEN_IN:g} s: see its log")
            await asyncio.sleep(POLL)


class Mesh:
    """Follows one namespace until it is cancelled."""

    def __init__(self, client: Client, namespace: str, configuration: Configuration) -> None:
        self._services: Store[Service] = Store()
        self._slices: Store[PublishedSlice] = Store()
        self._splits: Store[TrafficSplit] = Store()
        self._configuration = configuration
        self._changed = asyncio.Event()
        clock, rng = SystemClock(), random.Random()

        def follow(resource: Resource, kind: type[Any], store: Store[Any]) -> Reflector[Any]:
            store.subscribe(lambda *_: self._changed.set())
            return Reflector(client, resource, kind, store, clock=clock, rng=rng, namespace=namespace, on_error=_report)

        self._reflectors = (
            follow(SERVICES, Service, self._services),
            follow(ENDPOINT_SLICES, PublishedSlice, self._slices),
            follow(SPLITS, TrafficSplit, self._splits),
        )

    async def run(self) -> None:
        """Raises `MeshError`."""
        async with asyncio.TaskGroup() as tasks:
            for reflector in self._reflectors:
                tasks.create_task(reflector.run())
            tasks.create_task(self._keep_applying())

    async def _keep_applying(self) -> None:
        for store in (self._services, self._slices, self._splits):
            await store.wait_synced()
        while True:
            self._changed.clear()
            await self._configuration.apply(routes(self._services, self._slices, self._splits))
            await self._changed.wait()


def _put(path: Path, document: dict[str, Any]) -> float:
    """In one step: Envoy reads a file when it is moved to its place. Returns the last moment before that."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(document, indent=1))
    before = time.monotonic()
    unfinished.rename(path)
    return before


def _report(error: KubeError) -> None:
    print(f"the API server: {error}", flush=True)


async def _main(server: str, ca_file: str, token: str, namespace: str, directory: Path, admin_port: int) -> None:
    transport = HttpTransport(server, token=token, ca_file=ca_file, user_agent="test-mesh")
    client = Client(transport, clock=SystemClock(), rng=random.Random())
    mesh = asyncio.create_task(Mesh(client, namespace, Configuration(directory, Admin(admin_port))).run())
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), mesh.cancel)
    try:
        await mesh
    except asyncio.CancelledError:
        print("stopped", flush=True)
    finally:
        await client.close()


if __name__ == "__main__":
    _server, _ca, _token, _namespace, _directory, _admin_port = sys.argv[1:]
    asyncio.run(_main(_server, _ca, Path(_token).read_text().strip(), _namespace, Path(_directory), int(_admin_port)))
