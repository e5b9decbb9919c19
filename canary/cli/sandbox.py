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
from canary.sandbox.embedded import EmbeddedCluster


async def sandbox(
    terminal: Terminal, *, port: int = 0, kubeconfig: str | None = None, stop: asyncio.Event | None = None
) -> int:
    """Serve until SIGINT, SIGTERM or `stop`. The kubeconfig is kept if it was asked for by name."""
    stop = stop or _on_signals()
    with tempfile.TemporaryDirectory(prefix="canary-sandbox-") as directory:
        path = Path(kubeconfig) if kubeconfig else Path(directory) / "kubeconfig"
        async with EmbeddedCluster(SystemClock(), random.Random()) as cluster:
            try:
                server = await cluster.serve(port=port, token=secrets.token_urlsafe(24))
                server.write_kubeconfig(path)
            except OSError as error:
                raise Failure(f"the sandbox cannot start: {error}") from error
            for line in _instructions(server.url, path):
                terminal.print(line)
            await stop.wait()
    terminal.note("The sandbox has ended; nothing of it is kept.")
    return Exit.REACHED


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
