"""The commands that need no cluster: they bring one."""

from __future__ import annotations

from typing import Annotated

import typer

from canary.cli.flags import Flags
from canary.cli.registry import command


@command("demo", without=("kubeconfig", "context", "namespace"))
def demo(
    flags: Flags,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the cluster up for kubectl until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of the API server; 0 is any free one.")] = 0,
    rate: Annotated[
        float, typer.Option("--rate", metavar="NUMBER", min=20, max=500, help="Requests per second.")
    ] = 120,
    seed: Annotated[int | None, typer.Option("--seed", metavar="NUMBER", help="Of all that is random.")] = None,
) -> int:
    """Shows a rollout and two rollbacks on an embedded cluster.

    A good release is promoted, one with errors and one that is slow are rolled back. The requests are real HTTP, and
    the controller is this program's own `run`. It takes about a minute and needs nothing but this machine.
    """
    import asyncio

    from canary.cli.demo import demo as command
    from canary.cli.session import terminal_for

    return asyncio.run(command(terminal_for(flags), keep=keep, port=port, seed=seed, rate=rate))


@command("sandbox", without=("context", "namespace"))
def sandbox(
    flags: Flags,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 0,
    mesh: Annotated[
        bool, typer.Option("--mesh", help="Pods answer requests, and there are metrics; prints where Services listen.")
    ] = False,
) -> int:
    """Starts an empty embedded cluster for kubectl.

    It listens on the loopback interface until Ctrl-C. Its kubeconfig is written to --kubeconfig, else to a temporary
    file, whose name is printed.
    """
    import asyncio

    from canary.cli.sandbox import sandbox as command
    from canary.cli.session import terminal_for

    return asyncio.run(command(terminal_for(flags), port=port, kubeconfig=flags.kubeconfig, mesh=mesh))
