"""Pods that run: the kubelet for tests gives their commands here, and each becomes a process of this machine.

A Pod with the annotation `test-kubelet/run: <python module>` runs that module, with the arguments and the plain
environment of its first container and PORT and POD_NAME beside them; with `test-kubelet/sidecar: <Envoy's path>` its
requests come through an Envoy of its own, which shows its statistics as the file of `test-kubelet/statistics` says:
see `e2e.dataplane.sidecar`. It is ready when its readiness probe (`httpGet`,
on the path of the first container's probe) is answered with 200 to 399, and unready when it has failed three times
(Kubernetes' default) or the process has ended; then it is started again, a moment later.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from e2e.dataplane import sidecar
from e2e.dataplane.addresses import GENERATIONS, HOST, OURS, address_of, free_port, inner_port, port_of
from e2e.pod_status import Look

RUN = "test-kubelet/run"
SIDECAR = "test-kubelet/sidecar"
STATISTICS = "test-kubelet/statistics"
PROBE_PERIOD = 0.2
PROBE_TIMEOUT = 1.0
PROBE_FAILURES = 3
RESTART_AFTER = 1.0
"""Seconds from the end of a process to its next start; a real kubelet waits 10 s and longer each time."""
STOP_GRACE = 10.0


def runs(pod: dict[str, Any]) -> bool:
    """Whether the Pod is to be a process."""
    return RUN in (pod["metadata"].get("annotations") or {})


class PodProcess:
    """The process of one Pod, from its first start until `end` has been called and it is gone."""

    def __init__(self, pod: dict[str, Any], address: str, probes: aiohttp.ClientSession) -> None:
        container = pod["spec"]["containers"][0]
        port = port_of(address)
        assert port is not None  # addresses of such Pods always have one
        self.address = address
        self.look = Look(running=False, ready=False, waiting="ContainerCreating")
        self.gone = False
        annotations = pod["metadata"]["annotations"]
        self._command = [sys.executable, "-m", annotations[RUN], *container.get("args", ())]
        envoy = annotations.get(SIDECAR)
        self._sidecar = sidecar.command(envoy, address, port, Path(annotations[STATISTICS])) if envoy else None
        inner = inner_port(port) if envoy else port
        given = {entry["name"]: entry.get("value", "") for entry in container.get("env", ())}
        self._environment = {**os.environ, **given, "PORT": str(inner), "POD_NAME": pod["metadata"]["name"]}
        path = container.get("readinessProbe", {}).get("httpGet", {}).get("path", "/")
        # Probes are no traffic: they pass the sidecar by, and have a look at it by themselves.
        self._probed = [f"http://{HOST}:{inner}{path}", *([sidecar.ready_url(port)] if envoy else ())]
        self._probes = probes
        self._ending = asyncio.Event()

    def end(self) -> None:
        """SIGTERM, and SIGKILL when that does not help; `gone` says when it has."""
        self._ending.set()

    async def run(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Starts it again and again until `end`; `changed` is awaited after each change of `look` or `gone`."""
        beside = await _start(self._sidecar) if self._sidecar else None
        try:
            await self._keep_running(changed)
        finally:
            if beside is not None:
                await _terminate(beside)
        self.gone = True
        await changed()

    async def _keep_running(self, changed: Callable[[], Awaitable[None]]) -> None:
        while not self._ending.is_set():
            process = await _start(self._command, self._environment)
            try:
                await self._attend(process, changed)
            finally:
                await _kill(process)
            await self._show(changed, running=False, ready=False, restarts=self.look.restarts + 1)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), RESTART_AFTER)

    async def _attend(self, process: asyncio.subprocess.Process, changed: Callable[[], Awaitable[None]]) -> None:
        """Until the process has ended."""
        await self._show(changed, running=True, ready=False, restarts=self.look.restarts)
        ended = asyncio.create_task(process.wait())
        ending = asyncio.create_task(self._ending.wait())
        probing = asyncio.create_task(self._keep_probing(changed))
        try:
            await asyncio.wait({ended, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                process.send_signal(signal.SIGTERM)
                await asyncio.wait({ended}, timeout=STOP_GRACE)
        finally:
            for task in (ended, ending, probing):
                task.cancel()
            await asyncio.gather(ended, ending, probing, return_exceptions=True)

    async def _keep_probing(self, changed: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            if all([await self._probe(url) for url in self._probed]):
                failures = 0
                await self._show(changed, running=True, ready=True, restarts=self.look.restarts)
            else:
                failures += 1
                if failures >= PROBE_FAILURES:
                    await self._show(changed, running=True, ready=False, restarts=self.look.restarts)
            await asyncio.sleep(PROBE_PERIOD)

    async def _probe(self, url: str) -> bool:
        try:
            timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT)
            async with self._probes.get(url, timeout=timeout, allow_redirects=False) as answer:
                return 200 <= answer.status < 400
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _show(self, changed: Callable[[], Awaitable[None]], *, running: bool, ready: bool, restarts: int) -> None:
        look = Look(running, ready, restarts)
        if look != self.look:
            self.look = look
            await changed()


class PodProcesses:
    """Every Pod that runs. `changed(uid)` is awaited when one of them looks different, or is gone."""

    def __init__(self, changed: Callable[[str], Awaitable[None]]) -> None:
        self._changed = changed
        self._pods: dict[str, PodProcess] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._probes: aiohttp.ClientSession | None = None
        self._last_port = OURS.start - 1
        self._starts = 0

    def serve(self, pod: dict[str, Any]) -> PodProcess:
        """The process of the Pod; the first time it is started."""
        uid = pod["metadata"]["uid"]
        if uid not in self._pods:
            if self._probes is None:
                # Not the session of the API: its token is none of a Pod's business.
                self._probes = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))
            process = PodProcess(pod, pod["status"].get("podIP") or self._next_address(), self._probes)
            self._pods[uid] = process
            self._tasks[uid] = asyncio.create_task(process.run(lambda: self._changed(uid)))
        return self._pods[uid]

    def ended(self, uid: str) -> bool:
        """Whether nothing of the Pod runs; else it is told to end."""
        process = self._pods.get(uid)
        if process is None or process.gone:
            return True
        process.end()
        return False

    async def keep(self, uids: Collection[str]) -> None:
        """Kills those of all other Pods: they went while nobody was looking."""
        for uid in [uid for uid in self._pods if uid not in uids]:
            await self.forget(uid)

    async def forget(self, uid: str) -> None:
        """Kills what is left of a Pod that is no more."""
        self._pods.pop(uid, None)
        task = self._tasks.pop(uid, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Kills every process."""
        for uid in list(self._pods):
            await self.forget(uid)
        if self._probes is not None:
            await self._probes.close()

    def _next_address(self) -> str:
        taken = {port_of(process.address) for process in self._pods.values()}
        self._last_port = free_port({port for port in taken if port is not None}, self._last_port)
        self._starts += 1
        return address_of(self._last_port, GENERATIONS[self._starts % len(GENERATIONS)])


async def _start(command: list[str], environment: dict[str, str] | None = None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*command, env=environment, stdin=asyncio.subprocess.PIPE)


async def _terminate(process: asyncio.subprocess.Process) -> None:
    """Lets it end what it has started."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_GRACE)
    await _kill(process)


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
