"""The mesh with sockets: real requests, through a real proxy, to real servers, and what the proxy measured."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import structlog

from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.queue import Key
from canary.sandbox.mesh.backends import Backends
from canary.sandbox.mesh.measured import Measured
from canary.sandbox.mesh.observations import Reading
from canary.sandbox.mesh.proxy import Proxy
from canary.sandbox.mesh.routes import Routes

log = structlog.get_logger(__name__)


class HttpMesh:
    """Runs a server for every Pod and a proxy for every root that is asked for by `listen`."""

    def __init__(self, client: Client, clock: Clock, rng: random.Random) -> None:
        self.routes = Routes(client, clock, rng)
        self.backends = Backends(client, clock, rng, _failed)
        self.measured = Measured(clock)
        # A random source of its own: which request goes where then depends on the seed and on nothing else.
        self._proxy = Proxy(self.routes, self.backends, self.measured, clock, random.Random(rng.getrandbits(64)))
        self._open = asyncio.Event()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with self._proxy, asyncio.TaskGroup() as tasks:
            tasks.create_task(self.routes.run())
            tasks.create_task(self.backends.run())
            self._open.set()

    async def synced(self) -> None:
        """Return when the first lists have been read and `listen` may be called."""
        await self._open.wait()
        await self.routes.synced()
        await self.backends.pods.wait_synced()

    async def listen(self, namespace: str, root: str, port: int = 0) -> str:
        """The URL of a root Service. Raises `OSError` if `port` is taken."""
        return await self._proxy.listen(namespace, root, port)

    def readings(self, plural: str, namespace: str | None, seconds: float) -> Sequence[Reading]:
        """See `Observations`."""
        return self.measured.readings(plural, namespace, seconds)


def _failed(key: Key, error: Exception, delay: float) -> None:
    log.warning("pod does not listen", namespace=key[0], name=key[1], error=str(error), retry_in=delay)
