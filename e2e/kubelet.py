"""A kubelet for tests: it makes Pods ready that nobody runs, and runs those that ask for it.

It binds every Pod to one Node, says that its containers run, gives it an address that exists only in its status, and
lets it go at once when it is deleted. So Deployments get ready, and the real controllers write EndpointSlices.

A Pod's annotations say what else is to happen; they may be changed while it lives:

    test-kubelet/behaviour: ready       (the default)
                            unready     runs, but its probe fails
                            crash-loop  starts, is ready for a moment, exits, and again
                            pending     its image is never pulled
    test-kubelet/ready-after: "1.5"     seconds from start to ready
    test-kubelet/run: <python module>   it does run, as a process of this machine: see `e2e.dataplane.pods`

Run as `python -m e2e.kubelet SERVER CA_FILE TOKEN_FILE`; it ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from e2e.dataplane.pods import PodProcesses, runs
from e2e.pod_status import Behaviour, behaviour_of, is_timed, pod_status, status_of

NODE = "test-node"
TICK = 0.25
REQUEST_TIMEOUT = 10.0
# The API server sends a bookmark about once a minute, so a silent watch is a broken one.
WATCH_SILENCE = 90.0


class Kubelet:
    """Serves every Pod of a plane, one at a time, until it is cancelled."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server
        self._pods: dict[str, dict[str, Any]] = {}
        self._started: dict[str, float] = {}
        self._addresses = 0
        self._turn = asyncio.Lock()
        self._processes = PodProcesses(self._on_process)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_pods())
                tasks.create_task(self._tick())
        finally:
            await self._processes.close()

    async def _follow_pods(self) -> None:
        while True:
            try:
                await self._ensure_node()
                async for kind, pod in self._changes():
                    await self._on_change(kind, pod)
            except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError) as error:
                print(f"connection lost, starting over: {error!r}", flush=True)
                await asyncio.sleep(0.2)

    async def _changes(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Every Pod, then every change, until the server ends the watch."""
        listing = await self._request("GET", "/api/v1/pods")
        self._pods.clear()
        await self._processes.keep({pod["metadata"]["uid"] for pod in listing["items"]})
        for pod in listing["items"]:
            yield "ADDED", pod
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": listing["metadata"]["resourceVersion"],
        }
        timeout = aiohttp.ClientTimeout(total=None, connect=REQUEST_TIMEOUT, sock_read=WATCH_SILENCE)
        async with self._session.get(f"{self._server}/api/v1/pods", params=query, timeout=timeout) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                if event["type"] != "BOOKMARK":
                    yield event["type"], event["object"]

    async def _on_change(self, kind: str, pod: dict[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        if kind == "DELETED":
            self._pods.pop(uid, None)
            self._started.pop(uid, None)
            await self._processes.forget(uid)
            return
        self._pods[uid] = pod
        await self._serve(pod)

    async def _on_process(self, uid: str) -> None:
        if uid in self._pods:
            with suppress(aiohttp.ClientError, TimeoutError):
                await self._serve(self._pods[uid])

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            # What runs is looked at again for the reports that the API server did not take.
            for pod in [pod for pod in self._pods.values() if is_timed(pod) or runs(pod)]:
                with suppress(aiohttp.ClientError, TimeoutError):
                    await self._serve(pod)

    async def _serve(self, pod: dict[str, Any]) -> None:
        """One step for one Pod. A Pod that changed or went meanwhile is left to the event that says so."""
        async with self._turn:
            try:
                await self._step(pod)
            except aiohttp.ClientResponseError as error:
                if error.status not in (404, 409):
                    raise

    async def _step(self, pod: dict[str, Any]) -> None:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        if meta.get("deletionTimestamp"):
            if not self._processes.ended(meta["uid"]):
                return
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
            await self._request("DELETE", path, options)
        elif not pod["spec"].get("nodeName"):
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]}, "target": target}
            await self._request("POST", f"{path}/binding", binding)
        else:
            await self._report(pod, path)

    async def _report(self, pod: dict[str, Any], path: str) -> None:
        now = asyncio.get_running_loop().time()
        age = now - self._started.setdefault(pod["metadata"]["uid"], now)
        status = pod["status"]
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if runs(pod):
            process = self._processes.serve(pod)
            wanted = status_of(pod, process.address, process.look, time)
        else:
            address = status.get("podIP", "")
            if not address and behaviour_of(pod) is not Behaviour.PENDING:
                address = self._next_address()
            wanted = pod_status(pod, address, age, time)
        if any(status.get(key) != value for key, value in wanted.items()):
            patch = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": wanted}
            answer = await self._request("PATCH", f"{path}/status", patch)
            self._pods[pod["metadata"]["uid"]] = answer

    def _next_address(self) -> str:
        """The next of 10.0.0.1 … 10.255.255.254 that no Pod has."""
        taken = {pod["status"].get("podIP") for pod in self._pods.values()}
        while True:
            self._addresses += 1
            address = f"10.{self._addresses >> 16 & 255}.{self._addresses >> 8 & 255}.{self._addresses & 255}"
            if address not in taken and self._addresses & 255 not in (0, 255):
                return address

    async def _ensure_node(self) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        try:
            await self._request("POST", "/api/v1/nodes", node)
        except aiohttp.ClientResponseError as error:
            if error.status != 409:
                raise

    async def _request(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT)
        async with self._session.request(
            method, f"{self._server}{path}", json=body, headers={"Content-Type": kind}, timeout=timeout
        ) as answer:
            answer.raise_for_status()
            decoded: dict[str, Any] = await answer.json()
            return decoded


async def _main(server: str, ca_file: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "test-kubelet"}
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca_file))
    async with aiohttp.ClientSession(headers=headers, connector=connector, read_bufsize=2**22) as session:
        kubelet = asyncio.create_task(Kubelet(session, server).run())
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), kubelet.cancel)
        with suppress(asyncio.CancelledError):
            await kubelet


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_text().strip()))
