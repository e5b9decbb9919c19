"""The commands that need no cluster and bring none: they play."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from canary.cli.flags import Flags
from canary.cli.registry import command


class Form(StrEnum):
    JSON = "json"
    HTML = "html"


class Peer(StrEnum):
    FLAGGER = "flagger"
    ARGO = "argo"


def _field(name: str, metavar: str, words: str) -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=words)


@command("simulate", without=("kubeconfig", "context", "namespace"))
def simulate(
    flags: Flags,
    file: Annotated[str, typer.Option("--file", "-f", metavar="FILE", help="The Canary, YAML; - is standard input.")],
    scenario: Annotated[
        str, typer.Option("--scenario", metavar="FILE", help="The traffic, YAML; its fields are named as the flags.")
    ] = "",
    rollouts: Annotated[
        int, typer.Option("--rollouts", metavar="NUMBER", min=1, max=1_000_000, help="Of each kind.")
    ] = 2000,
    seed: Annotated[int, typer.Option("--seed", metavar="NUMBER", help="Of all that is random.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", metavar="NUMBER", min=1, max=256, help="Processes that play.")] = 1,
    compare: Annotated[
        list[Peer] | None, typer.Option("--compare", help="Play these rules on the same traffic, too; may be repeated.")
    ] = None,
    horizon: Annotated[
        str, typer.Option("--horizon", metavar="DURATION", help="When to give an unfinished rollout up.")
    ] = "",
    output: Annotated[Form | None, typer.Option("--output", "-o", help="Another form than the table.")] = None,
    rate: Annotated[str | None, _field("rate", "NUMBER", "Requests per second to both sides (100).")] = None,
    errors: Annotated[str | None, _field("errors", "PERCENT", "Share of requests that fails anyway (0.1%).")] = None,
    regression: Annotated[
        list[str] | None,
        _field("regression", "TEXT", "What is wrong: 5x errors, 20% errors, slow:2x; may be repeated (2x, 5x, 20%)."),
    ] = None,
    onset: Annotated[
        str | None, _field("onset", "DURATION", "When the regression begins, after the canary's first request (0s).")
    ] = None,
    ramp: Annotated[str | None, _field("ramp", "DURATION", "In what time it grows to its full size (0s).")] = None,
    latency: Annotated[str | None, _field("latency", "DURATION", "Median latency (40ms).")] = None,
    tail: Annotated[str | None, _field("tail", "DURATION", "99th percentile of latencies (200ms).")] = None,
    drift: Annotated[str | None, _field("drift", "PERCENT", "By how much the load swings up and down (0%).")] = None,
    period: Annotated[str | None, _field("period", "DURATION", "In what time it swings once (24h).")] = None,
    outage: Annotated[str | None, _field("outage", "DURATION", "How long both sides fail together (0s).")] = None,
    outage_after: Annotated[
        str | None, _field("outage-after", "DURATION", "When, after the canary's first request (2m).")
    ] = None,
    outage_errors: Annotated[
        str | None, _field("outage-errors", "PERCENT", "Share of requests that fails then (10%).")
    ] = None,
    retries: Annotated[str | None, _field("retries", "NUMBER", "How many requests fail together (1).")] = None,
    scattered: Annotated[bool, typer.Option("--scattered", help="That many in the mean, instead of always.")] = False,
    bursts: Annotated[
        str | None, _field("bursts", "NUMBER", "Times an hour that a pod fails 20 requests at once (0).")
    ] = None,
    pods: Annotated[str | None, _field("pods", "NUMBER", "Pods of both sides together (10).")] = None,
) -> int:
    """Plays thousands of rollouts against modelled traffic.

    The decision is the controller's own, in virtual time: how often a healthy release is rolled back, how soon a bad
    one is, what that costs in failed requests, and how long a rollout takes. Nothing is read from a cluster.
    """
    from canary.cli.session import terminal_for
    from canary.cli.simulate import Options
    from canary.cli.simulate import simulate as command

    fields = {
        "rate": rate, "errors": errors, "regression": regression, "onset": onset, "ramp": ramp, "latency": latency,
        "tail": tail, "drift": drift, "period": period, "outage": outage, "outage-after": outage_after,
        "outage-errors": outage_errors, "retries": retries, "scattered": scattered, "bursts": bursts, "pods": pods,
    }  # fmt: skip
    options = Options(
        file, scenario, fields, rollouts, seed, jobs, tuple(peer.value for peer in compare or ()), horizon,
        output.value if output else "",
    )  # fmt: skip
    return command(terminal_for(flags), options)
