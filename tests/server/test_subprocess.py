"""`canary run` as a real process against a real port. Real time: few tests, each of a few seconds."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from canary.controller.watches import CANARIES
from canary.kube.clock import SystemClock
from canary.kube.resources import LEASES, NAMESPACES
from canary.sandbox.embedded import EmbeddedCluster

COMMAND = (sys.executable, "-m", "canary", "run", "--kubeconfig")
CANARY = {
    "apiVersion": "canary.delivery/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "podinfo", "namespace": "shop"},
    "spec": {
        "backends": {"stable": "podinfo-v1", "canary": "podinfo-v2"},
        "service": {"name": "podinfo"},
        "steps": [{"weight": 50, "hold": "1m"}],
    },
}


class Daemon:
    """A process and what it logs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def until(self, message: str) -> dict[str, Any]:
        """The first line with this message that was not read yet."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(json.loads(line))
            if self.lines[-1]["message"] == message:
                return self.lines[-1]
        raise AssertionError(f"it ended without {message!r}: {self.lines}")

    async def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            return await self.process.wait()


@asynccontextmanager
async def daemon(kubeconfig: Path, *options: str) -> AsyncIterator[Daemon]:
    listen = () if "--listen" in options else ("--listen", "127.0.0.1:0")
    process = await asyncio.create_subprocess_exec(
        *COMMAND, str(kubeconfig), *listen, *options, stderr=asyncio.subprocess.PIPE, env=os.environ | {"NO_PROXY": "*"}
    )
    try:
        yield Daemon(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def becomes(http: ClientSession, url: str, status: int) -> str:
    async with asyncio.timeout(5):
        while True:
            async with http.get(url) as answer:
                if answer.status == status:
                    return await answer.text()
            await asyncio.sleep(0.05)


async def test_a_process_becomes_ready_drains_on_sigterm_and_another_takes_over(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    async with EmbeddedCluster(SystemClock(), random.Random(1)) as cluster, ClientSession() as http:
        await cluster.client.create(NAMESPACES, {"metadata": {"name": "shop"}})
        await cluster.client.create(CANARIES, CANARY, "shop")
        (await cluster.serve(token="s3cret")).write_kubeconfig(kubeconfig)
        async with daemon(kubeconfig) as one, daemon(kubeconfig) as two:
            first, second = await asyncio.gather(one.until("started"), two.until("started"))
            assert await becomes(http, f"{first['url']}/readyz", 200) == "ok\n"
            assert await becomes(http, f"{second['url']}/readyz", 200) == "ok\n"

            async def holder() -> str:
                lease = await cluster.client.get(LEASES, "canary-controller", "default")
                return str(lease["spec"]["holderIdentity"])

            pairs = {first["identity"]: (one, two), second["identity"]: (two, one)}
            leader, standby = pairs[await holder()]
            await leader.until("leading")
            text = await becomes(http, f"{leader.lines[0]['url']}/metrics", 200)
            assert "canary_leader 1.0" in text
            assert await leader.terminate() == 0
            released = await holder()
            assert released in ("", standby.lines[0]["identity"])
            async with asyncio.timeout(3):
                await standby.until("leading")
            assert await holder() == standby.lines[0]["identity"]
            await leader.until("stopped")
            assert not any("s3cret" in json.dumps(line) for line in leader.lines)
            assert await standby.terminate() == 0
        (*_, last) = cluster.server.commits.of("leases", "default", "canary-controller")
        assert last.new is not None
        assert last.new["spec"]["holderIdentity"] == ""
        splits = cluster.server.commits.of("trafficsplits", "shop")
        assert all(b["weight"] == 100 for commit in splits if commit.new for b in commit.new["spec"]["backends"])


@pytest.mark.parametrize("broken", ["port", "kubeconfig"])
async def test_a_process_that_cannot_start_ends_with_1_and_says_why(tmp_path: Path, broken: str) -> None:
    kubeconfig, options = tmp_path / "kubeconfig", list[str]()
    async with EmbeddedCluster(SystemClock(), random.Random(1)) as cluster:
        (await cluster.serve()).write_kubeconfig(kubeconfig)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            if broken == "port":
                options = ["--listen", f"127.0.0.1:{taken.getsockname()[1]}"]
            else:
                kubeconfig.write_text("{}")
            async with daemon(kubeconfig, *options) as one:
                line = await one.until("cannot start")
                assert await one.process.wait() == 1
                assert {"port": "--listen", "kubeconfig": "kubeconfig"}[broken] in line["error"]
