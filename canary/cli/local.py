"""The commands that need no cluster: they bring one, or look at files alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from canary.cli.flags import Flags
from canary.cli.registry import command


class LintForm(StrEnum):
    JSON = "json"
    SARIF = "sarif"


def _manifests(incomplete: str) -> list[str]:
    from canary.cli.lint import completed

    return completed(incomplete)


def _advice(incomplete: str) -> list[tuple[str, str]]:
    from canary.lint.finding import Level
    from canary.lint.rules import RULES

    advice = ((rule.id, rule.title) for rule in RULES.values() if rule.level is not Level.ERROR)
    return [each for each in advice if each[0].startswith(incomplete)]


@command("lint", without=("kubeconfig", "context", "namespace"))
def lint(
    flags: Flags,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Files beside those of --filename, as a shell makes of *.yaml.",
            autocompletion=_manifests,
        ),
    ] = None,
    filename: Annotated[
        list[str] | None,
        typer.Option(
            "--filename",
            "-f",
            metavar="FILE",
            help="Repeatable; a file, a folder with all below it, or - for stdin.",
            autocompletion=_manifests,
        ),
    ] = None,
    rps: Annotated[
        float | None,
        typer.Option(
            "--rps",
            metavar="NUMBER",
            min=0.001,
            max=1e9,
            help="Requests per second to the whole Service: advice in figures.",
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show the plan, too: how long each step lasts, what it sees.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail, too; notes never do.")] = False,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="RULE", help="Repeatable; advice to leave out.", autocompletion=_advice),
    ] = None,
    output: Annotated[LintForm | None, typer.Option("--output", "-o", help="For programs.")] = None,
) -> int:
    """Checks manifests before they are applied.

    All errors at once, and advice. Everything that is no Canary is skipped. Errors are those that the API server or the
    controller would find; they end it with code 2. Advice is about what a plan can show: with --rps by figures, without
    by saying which traffic is enough.
    """
    from canary.cli.lint import Form, Options
    from canary.cli.lint import command as look
    from canary.cli.session import terminal_for

    options = Options(
        rps=rps, strict=strict, plan=plan, ignored=ignore or (), form=Form(output.value) if output else None
    )
    return look(terminal_for(flags), [*(filename or ()), *(files or ())], options)


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
    """Shows rollouts and rollbacks on an embedded cluster.

    Between two Services, a good release is promoted, one with errors and one that is slow are rolled back. Then a
    Deployment under load is taken over, rolled out, rolled back and given back. The requests are real HTTP, and the
    controller is this program's own `run`. It takes about a minute and needs nothing but this machine.
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

    It takes JSON and YAML, not the protobuf that `kubectl create deployment` and its like send: add
    `--dry-run=client -o yaml` to those and pipe them to `kubectl apply -f -`.
    """
    import asyncio

    from canary.cli.sandbox import sandbox as command
    from canary.cli.session import terminal_for

    return asyncio.run(command(terminal_for(flags), port=port, kubeconfig=flags.kubeconfig, mesh=mesh))
