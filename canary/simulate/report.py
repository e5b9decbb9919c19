"""A campaign's figures at a glance, for a terminal of 80 columns, and as one JSON document."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from canary.api.duration import format_duration
from canary.core.plan import Limit, Plan, Stage
from canary.core.verdict_words import show_limit
from canary.simulate.campaign import Player
from canary.simulate.proportions import Interval
from canary.simulate.scenario import Scenario
from canary.simulate.tally import Spread, Tally, spread
from canary.simulate.traffic import Traffic

HEADS = ("", "ROLLED BACK", "95% INTERVAL", "AFTER", "P95", "FAILED", "TAKES")
LEGEND = (
    "ROLLED BACK: healthy ones by mistake, the others after the regression began. AFTER and P95: from then, or from "
    "the first request to the canary, until its weight is 0; half and 95 of 100 are as fast. FAILED: requests to the "
    "canary, in half of the rollouts at most that many. TAKES: until promoted, median."
)
_WIDTHS = (19, 12, 17, 8, 8, 7, 8)


@dataclass(frozen=True, slots=True)
class Report:
    """`name` is that of the Canary, `horizon` in seconds."""

    name: str
    plan: Plan
    scenario: Scenario
    players: tuple[Player, ...]
    tallies: tuple[Tally, ...]
    rollouts: int
    seed: int
    horizon: float

    def by_player(self) -> Iterator[tuple[Player, list[Tally]]]:
        rules = {player.name: player for player in self.players}
        for name, tallies in groupby(self.tallies, key=lambda tally: tally.player):
            yield rules[name], list(tallies)


def percent(share: float) -> str:
    """`0.05%`, with no more than three digits, and 100 only for all."""
    number = 100.0 * share
    if 99.9 < number < 100.0:
        return f"{math.floor(number * 100) / 100:g}%"
    return f"{number:.3g}%"


def between(interval: Interval) -> str:
    """`0.01% - 0.28%`: rounded outwards, so that it says no more than it can."""
    low, high = (100.0 * share for share in interval)
    return f"{_scaled(low, math.floor):g}% - {_scaled(high, math.ceil):g}%"


def _scaled(number: float, whole: Callable[[float], int]) -> float:
    parts = 100 if number < 10.0 else 10
    return whole(round(number * parts, 6)) / parts


def seconds(value: float) -> str:
    """Whole seconds as a duration: `5m32s`."""
    return format_duration(float(round(value)))


def plan_words(plan: Plan) -> str:
    steps = " -> ".join(_stage_words(stage) for stage in plan.stages)
    limits = ", ".join(map(_limit_words, plan.limits))
    return f"steps {steps}; windows of {seconds(plan.interval)}; {limits}"


def _limit_words(limit: Limit) -> str:
    how = (" by evidence" if limit.sequential else "") + (
        " and no worse than stable" if limit.tolerance is not None else ""
    )
    return f"{limit.name} {show_limit(limit)}{how}"


def _stage_words(stage: Stage) -> str:
    if stage.approval:
        return f"approval {stage.approval}"
    return f"{stage.weight}% for {seconds(stage.hold)}" if stage.hold else f"{stage.weight}%"


def traffic_words(traffic: Traffic) -> str:
    clusters, outage = traffic.clusters, traffic.outage
    words = [
        f"{traffic.rate:g} req/s",
        f"{percent(traffic.errors)} errors",
        f"latency {format_duration(traffic.latency.median)}, p99 {format_duration(traffic.latency.tail)}",
    ]
    if traffic.drift:
        words.append(f"load ± {percent(traffic.drift)} in {seconds(traffic.period)}")
    if outage:
        when = f"after {seconds(outage.after)} for {seconds(outage.lasts)}"
        words.append(f"{percent(outage.errors)} errors of both sides {when}")
    if clusters.retries > 1:
        words.append(f"failures {clusters.retries:g} at a time{' in the mean' if clusters.scattered else ''}")
    if clusters.bursts:
        words.append(f"{clusters.bursts:g} bursts an hour and pod")
    return ", ".join(words)


def row(tally: Tally) -> tuple[str, ...]:
    """The cells of one kind of rollout, in the order of `HEADS`."""
    delays, failed = spread(tally.delays), spread(tally.failed)
    promotions = spread(tally.promotions)
    return (
        tally.kind,
        percent(tally.share),
        between(tally.interval),
        seconds(delays.median) if delays else "-",
        seconds(delays.p95) if delays else "-",
        f"{failed.median:.0f}" if failed else "-",
        seconds(promotions.median) if promotions else "-",
    )


def glance(report: Report) -> Iterator[tuple[str, bool]]:
    """The lines of the terminal, and which of them are headings."""
    yield f"{report.name}: {report.rollouts:,} rollouts of each kind, seed {report.seed}", True
    yield from ((line, False) for line in _wrapped(plan_words(report.plan)))
    yield from ((line, False) for line in _wrapped(traffic_words(report.scenario.traffic)))
    for player, tallies in report.by_player():
        yield "", False
        yield _line((player.name, *HEADS[1:])), True
        if len(report.players) > 1:
            yield from ((line, False) for line in _wrapped(player.rules.words))
        yield from ((_line(row(tally)), False) for tally in tallies)
        yield from ((line, False) for tally in tallies for line in _remarks(tally, report.horizon))
    yield "", False
    yield from ((line, False) for line in _wrapped(LEGEND))


def _line(cells: Sequence[str]) -> str:
    others = (cell.rjust(width) for cell, width in zip(cells[1:], _WIDTHS[1:], strict=True))
    return "".join((cells[0].ljust(_WIDTHS[0]), *others)).rstrip()


def _remarks(tally: Tally, horizon: float) -> Iterator[str]:
    early = tally.rolled_back - tally.counted
    if early:
        yield from _wrapped(f"{tally.kind}: {early} rolled back before the regression began")
    unfinished = tally.ends.get("Unfinished", 0)
    if unfinished:
        reason = next(iter(tally.reasons), "")
        yield from _wrapped(f"{tally.kind}: {unfinished} unfinished after {seconds(horizon)}, most of them: {reason}")


def _wrapped(text: str, indent: str = "  ", width: int = 79) -> Iterator[str]:
    yield from textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)


def document(report: Report) -> dict[str, Any]:
    """The figures as plain JSON values: shares 0.0 to 1.0, times in seconds."""
    traffic = report.scenario.traffic
    return {
        "canary": report.name,
        "plan": plan_words(report.plan),
        "rollouts": report.rollouts,
        "seed": report.seed,
        "horizonSeconds": report.horizon,
        "traffic": {
            "words": traffic_words(traffic),
            "requestsPerSecond": traffic.rate,
            "errors": traffic.errors,
            "latencySeconds": {"median": traffic.latency.median, "p99": traffic.latency.tail},
        },
        "players": [
            {"name": player.name, "rules": player.rules.words, "kinds": [_kind(tally) for tally in tallies]}
            for player, tallies in report.by_player()
        ],
    }


def _kind(tally: Tally) -> dict[str, Any]:
    return {
        "name": tally.kind,
        "healthy": tally.healthy,
        "rollouts": tally.rollouts,
        "rolledBack": {
            "count": tally.counted, "share": tally.share, "low": tally.interval.low, "high": tally.interval.high,
        },
        "ends": tally.ends,
        "unfinished": tally.reasons,
        "delaySeconds": _spread(spread(tally.delays)),
        "failedRequests": _spread(spread(tally.failed)),
        "promotedSeconds": _spread(spread(tally.promotions)),
        "typical": [{"at": at, "weight": weight, "reason": reason} for at, weight, reason, _ in tally.typical],
    }  # fmt: skip


def _spread(found: Spread | None) -> dict[str, float] | None:
    return found._asdict() if found else None
