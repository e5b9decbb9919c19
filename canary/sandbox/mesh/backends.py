"""Every Pod as a real HTTP server on 127.0.0.1, behaving as its annotations say.

Pods have addresses of a network that does not exist; `port` says where on this machine each one listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.queue import Key, WorkQueue, run_workers
from canary.kube.resources import PODS
from canary.sandbox.mesh.behaviour import behaviour_of
from canary.sandbox.mirror import Mirror
from canary.sandbox.workloads.objects import Pod

HOST = "127.0.0.1"
VERSION_HEADER = "x-sandbox-version"
POD_HEADER = "x-sandbox-pod"

_START_SECONDS = 10.0
_CONNECT_SECONDS = 1.0
_CLOSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Running:
    address: str
    port: int
    server: web.Server
    listener: asyncio.Server

    async def close(self) -> None:
        self.listener.close()
        self.server.pre_shutdown()
        await self.server.shutdown(_CLOSE_SECONDS)


class Backends:
    """Follows Pods by watch. A Pod that was deleted answers for `drain` more seconds: its clients learn of it later."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rng: random.Random,
        on_error: Callable[[Key, Exception, float], None],
        drain: float = 2.0,
    ) -> None:
        self.pods = Mirror(client, PODS, Pod, clock, rng)
        self._clock, self._rng, self._drain, self._on_error = clock, rng, drain, on_error
        self._queue = WorkQueue(clock=clock, rng=rng)
        self._running: dict[Key, _Running] = {}
        self._ports: dict[str, int] = {}
        self._started = asyncio.Event()
        self.pods.subscribe(self._changed)

    async def port(self, address: str) -> int | None:
        """The local port of the pod with this address; `None` when it does not listen within a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                while address not in self._ports:
                    self._started.clear()
                    await self._started.wait()
        return self._ports.get(address)

    async def run(self) -> None:
        """Follow until cancelled; then every server is closed."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.pods.run())
                tasks.create_task(
                    run_workers(self._queue, self._sync, 1, timeout=_START_SECONDS, on_error=self._on_error)
                )
        finally:
            self._queue.close()
            await asyncio.gather(*(running.close() for running in self._running.values()))
            self._running.clear()
            self._ports.clear()

    def _changed(self, key: Key, before: Pod | None, after: Pod | None) -> None:
        if after is not None and after.metadata.deletion_timestamp:
            # It answers as before until it is gone, and for a while then.
            return
        self._queue.add_after(key, self._drain if after is None else 0.0)

    async def _sync(self, key: Key) -> None:
        pod = self.pods.get(*key)
        address = "" if pod is None else pod.status.pod_ip
        running = self._running.get(key)
        if running is not None and running.address != address:
            del self._running[key]
            self._ports.pop(running.address, None)
            await running.close()
            running = None
        if running is None and pod is not None and address:
            self._running[key] = running = await self._start(pod)
            self._ports[address] = running.port
            self._started.set()

    async def _start(self, pod: Pod) -> _Running:
        key = (pod.metadata.namespace, pod.metadata.name)

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return await self._answer(self.pods.get(*key) or pod)

        server = web.Server(answer, access_log=None)
        listener = await asyncio.get_running_loop().create_server(server, HOST, 0)
        return _Running(pod.status.pod_ip, listener.sockets[0].getsockname()[1], server, listener)

    async def _answer(self, pod: Pod) -> web.Response:
        behaviour = behaviour_of(pod.metadata)
        failed = behaviour.fails(self._rng)
        await self._clock.sleep(behaviour.seconds(self._rng))
        headers = {VERSION_HEADER: behaviour.version, POD_HEADER: pod.metadata.name}
        if failed:
            return web.Response(status=500, text=behaviour.fault or "this release is broken\n", headers=headers)
        return web.Response(text=f"hello from {behaviour.version}\n", headers=headers)
