"""`canary sandbox`: an empty embedded cluster on a loopback port, for kubectl and for a controller to try."""

from __future__ import annotations

import asyncio
import random
import secrets
import shlex
import tempfile
from pathlib import Path

from canary.cli.exits import Exit, Failure
from canary.cli.signals import stop_on_signals
from canary.cli.terminal import Terminal
from canary.kube.clock import SystemClock
from canary.sandbox.demo.stage import first
from canary.sandbox.embedded import EmbeddedCluster, Mesh

LOOK = 0.2
"""Seconds between two looks for new Services."""


async def sandbox(
    terminal: Terminal,
    *,
    port: int = 0,
    kubeconfig: str | None = None,
    mesh: bool = False,
    stop: asyncio.Event | None = None,
) -> int:
    """Serve until SIGINT, SIGTERM or `stop`. The kubeconfig is kept if it was asked for by name.

    With `mesh` pods answer requests, splits are followed, and the address of every Service is printed.
    """
    stop = stop or _on_signals()
    with tempfile.TemporaryDirectory(prefix="canary-sandbox-") as directory:
        path = Path(kubeconfig) if kubeconfig else Path(directory) / "kubeconfig"
        kind = Mesh.HTTP if mesh else Mesh.NONE
        async with EmbeddedCluster(SystemClock(), random.Random(), mesh=kind) as cluster:
            try:
                _refuse_foreign(path)
                server = await cluster.serve(port=port, token=secrets.token_urlsafe(24))
                server.write_kubeconfig(path)
            except OSError as error:
                raise Failure(f"the sandbox cannot start: {error}") from error
            for line in _instructions(server.url, path):
                terminal.print(line)
            if mesh:
                await first(stop.wait(), _publish(cluster, terminal))
            else:
                await stop.wait()
    terminal.note("The sandbox has ended; nothing of it is kept.")
    return Exit.REACHED


def _refuse_foreign(path: Path) -> None:
    """Raises `Failure` rather than overwrite what leads to a real cluster."""
    if path.exists() and "\ncurrent-context: sandbox\n" not in path.read_text(encoding="utf-8"):
        raise Failure(f"{path} exists and is not the kubeconfig of a sandbox: name another file with --kubeconfig")


async def _publish(cluster: EmbeddedCluster, terminal: Terminal) -> None:
    """Give every Service an address on this machine as soon as it exists."""
    known: set[tuple[str, str]] = set()
    while True:
        for commit in cluster.server.commits.of("services"):
            key = (commit.namespace, commit.name)
            if key not in known:
                known.add(key)
                terminal.print(f"Service {key[0]}/{key[1]}: {await cluster.listen(*key)}")
        await cluster.clock.sleep(LOOK)


def _instructions(url: str, path: Path) -> list[str]:
    file = shlex.quote(str(path))
    return [
        f"An embedded Kubernetes API server listens at {url}; Canaries and TrafficSplits are installed.",
        "In another terminal:",
        f"  export KUBECONFIG={file}",
        "  kubectl get crds",
        f"  canary run --no-leader-elect --kubeconfig {file}",
        "Ctrl-C ends it.",
    ]


def _on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    stop_on_signals(stop.set)
    return stop
