"""The commands `demo` and `sandbox`: what they start, where they stop, what they refuse."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import aiohttp
import pytest
import typer

from canary.cli.demo import controller, demo
from canary.cli.exits import Failure
from canary.cli.sandbox import sandbox
from canary.cli.terminal import Terminal
from canary.kube.client import Client
from canary.kube.clock import SystemClock
from canary.kube.http import connect
from canary.kube.resources import DEPLOYMENTS, NAMESPACES, SERVICES
from canary.sandbox.app import App, Release


async def until(out: io.StringIO, words: str) -> str:
    """The first line of the output with these words, as soon as it is there."""
    async with asyncio.timeout(20):
        while True:
            found = [line for line in out.getvalue().splitlines() if words in line]
            if found:
                return found[0]
            await asyncio.sleep(0.02)


def test_the_demo_runs_this_program_as_its_controller_with_what_is_shipped():
    command = list(controller(Path("/somewhere/kubeconfig")))
    assert command[1:4] == ["-m", "canary.cli.main", "run"]
    assert "--no-leader-elect" not in command
    assert command[command.index("--listen") + 1] == "127.0.0.1:0"


async def test_a_demo_that_is_stopped_ends_as_ctrl_c_does():
    out, err, stop = io.StringIO(), io.StringIO(), asyncio.Event()
    task = asyncio.create_task(demo(Terminal(out, err), seed=1, rate=20, stop=stop))
    await until(out, "must be promoted")
    stop.set()
    with pytest.raises(typer.Abort):
        await task
    assert err.getvalue() == "The demo was stopped; nothing of it is left.\n"


async def test_a_sandbox_with_a_mesh_serves_what_is_put_into_it(tmp_path):
    out, stop, app, release = io.StringIO(), asyncio.Event(), App(), Release("1", latency=0.0)
    path = str(tmp_path / "kubeconfig")
    task = asyncio.create_task(sandbox(Terminal(out, io.StringIO()), kubeconfig=path, mesh=True, stop=stop))
    await until(out, "Ctrl-C")
    clock = SystemClock()
    client = Client(await connect(path, None, False, "test", clock=clock), clock=clock, rng=None)  # type: ignore[arg-type]  # nothing is retried
    try:
        await client.create(NAMESPACES, app.namespace_manifest())
        await client.create(SERVICES, app.root(), app.namespace)
        await client.create(DEPLOYMENTS, app.deployment(release), app.namespace)
        url = (await until(out, "Service shop/podinfo")).split()[-1]
        async with aiohttp.ClientSession() as session, asyncio.timeout(20):
            for _ in range(150):
                body = await _get(session, url)
                if body == "hello from 1\n":
                    break
                await asyncio.sleep(0.1)
        assert body == "hello from 1\n"
    finally:
        await client.close()
        stop.set()
        await task


async def _get(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as answer:
        return await answer.text()


async def test_a_sandbox_does_not_overwrite_the_kubeconfig_of_another_cluster(tmp_path):
    path = tmp_path / "config"
    path.write_text("current-context: production\n")
    with pytest.raises(Failure, match="not the kubeconfig of a sandbox"):
        await sandbox(Terminal(io.StringIO(), io.StringIO()), kubeconfig=str(path), stop=asyncio.Event())
    assert path.read_text() == "current-context: production\n"


async def test_a_sandbox_may_use_its_kubeconfig_again(tmp_path):
    stop = asyncio.Event()
    stop.set()
    for _ in range(2):
        out = io.StringIO()
        assert await sandbox(Terminal(out, io.StringIO()), kubeconfig=str(tmp_path / "config"), stop=stop) == 0
