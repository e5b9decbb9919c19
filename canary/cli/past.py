"""The command that plays a spec on a release that is over."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from canary.cli.flags import Flags
from canary.cli.registry import command
from canary.cli.servers import PACK_HELP, CaFile, TokenFile


class Document(StrEnum):
    JSON = "json"
    YAML = "yaml"


@command("replay", without=("kubeconfig", "context"))
def replay(
    flags: Flags,
    file: Annotated[str, typer.Option("--file", "-f", metavar="FILE", help="The Canary; - is standard input.")],
    metrics: Annotated[
        str,
        typer.Option("--metrics", metavar="FILE", help="What was recorded, as CSV; docs/replay.md has the columns."),
    ] = "",
    prometheus: Annotated[
        str, typer.Option("--prometheus", metavar="URL", help="The Prometheus that has recorded it; needs --range.")
    ] = "",
    period: Annotated[
        str, typer.Option("--range", metavar="START/END", help="When it was: two times with a zone, or Unix seconds.")
    ] = "",
    pack: Annotated[str, typer.Option("--pack", metavar="NAME|FILE", help=PACK_HELP)] = "",
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="Of the workloads (that of the Canary's target).")
    ] = "",
    stable: Annotated[
        list[str] | None, typer.Option("--stable", metavar="NAME", help="The stable workload; repeatable.")
    ] = None,
    canary: Annotated[
        list[str] | None, typer.Option("--canary", metavar="NAME", help="The canary's workload; repeatable.")
    ] = None,
    prometheus_ca_file: CaFile = "",
    prometheus_token_file: TokenFile = "",
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="METRIC", help="Judge without this metric; repeatable.")
    ] = None,
    as_recorded: Annotated[
        bool, typer.Option("--as-recorded", help="All requests that were recorded, whatever the plan's weight.")
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="NUMBER", help="Draw which requests a lower weight would have had."),
    ] = None,
    output: Annotated[Document | None, typer.Option("--output", "-o", help="For programs.")] = None,
) -> int:
    """Says what a spec would have decided about a past release.

    The controller's own decision is played, in no time, on what was recorded: when it would have raised the weight,
    with which verdicts, and at which second it would have taken the traffic back. Nothing is changed anywhere.
    """
    from canary.cli.replay import Options, run
    from canary.cli.session import terminal_for

    options = Options(
        file=file,
        metrics=metrics,
        prometheus=prometheus,
        period=period,
        pack=pack,
        kind=kind,
        stable=tuple(stable or ()),
        canary=tuple(canary or ()),
        ca_file=prometheus_ca_file,
        token_file=prometheus_token_file,
        without=tuple(without or ()),
        as_recorded=as_recorded,
        seed=seed,
        output=output.value if output else "",
    )
    return run(flags, options, terminal_for(flags))
