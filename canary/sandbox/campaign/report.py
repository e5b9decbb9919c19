"""The figures of a campaign, as JSON and as a table."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from canary.sandbox.campaign.tally import Tally

_YEAR = 365.25 * 86400.0


def figures(tally: Tally, *, first: int) -> dict[str, Any]:
    """Everything that is published. Keys end in their units."""
    return {
        "seeds": tally.runs,
        "first_seed": first,
        "failed": len(tally.failures),
        "failure_rate_bound_95_percent": _bound(len(tally.failures), tally.runs),
        "cpu_seconds": round(tally.cpu, 1),
        "virtual_years": round(tally.seconds / _YEAR, 4),
        "api_requests": tally.requests,
        "api_writes": tally.commits,
        "raises": tally.raises,
        "controller_processes": tally.processes,
        "faults": _ranked(tally.faults),
        "deeds": _ranked(tally.deeds),
        "ends": _ranked(tally.ends),
        "rollback_seconds": _distribution(tally.delays),
        "failures": {str(seed): words for seed, words in sorted(tally.failures.items())},
        "exhaustive": msgspec.to_builtins(tally.points),
    }


def _ranked(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(counts).most_common())


def _bound(failed: int, runs: int) -> float | None:
    """The rule of three: with no failure in n runs, 95 % confidence that fewer than 3/n of all runs fail."""
    return 3.0 / runs if runs and not failed else None


def _distribution(values: list[float]) -> dict[str, float]:
    if not values:
        return {"count": 0}
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "p50": round(statistics.median(ordered), 3),
        "p99": round(ordered[math.ceil(0.99 * len(ordered)) - 1], 3),
        "max": round(ordered[-1], 3),
    }


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """The same for people, line by line."""
    bound = found["failure_rate_bound_95_percent"]
    yield _row("seeds", f"{found['seeds']:,} (from {found['first_seed']}), {found['failed']} failed")
    if bound is not None:
        yield _row("", f"with 95 % confidence fewer than {100 * bound:.3g} % of all runs fail")
    yield _row("time", f"{found['cpu_seconds']:,} s of CPU")
    yield _row("virtual time", f"{found['virtual_years']} years")
    yield _row("API", f"{found['api_requests']:,} requests, {found['api_writes']:,} writes, {found['raises']:,} raises")
    yield _row("processes", f"{found['controller_processes']:,} controllers started")
    for name in ("faults", "deeds", "ends"):
        yield _row(name, f"{sum(found[name].values()):,}")
        yield from (f"  {kind:<30} {count:>12,}" for kind, count in found[name].items())
    delays = found["rollback_seconds"]
    if delays["count"]:
        words = f"p50 {delays['p50']} s, p99 {delays['p99']} s, max {delays['max']} s"
        yield _row("rollbacks", f"{delays['count']:,}; from the deciding answer to weight 0: {words}")
    points, mutants = found["exhaustive"], found["mutants"]
    if points["crash_points"]:
        crashes = f"{points['crash_points']:,} crash points, {points['crash_pairs']:,} pairs of them"
        yield _row("exhaustive", f"{crashes}, {points['call_faults']:,} call faults; {len(points['failures'])} failed")
        yield from (f"FAILED {words}" for words in points["failures"])
    yield _row("mutants", f"{mutants['killed']} of {mutants['count']} killed")
    for seed, words in found["failures"].items():
        yield f"FAILED {seed}: {words.splitlines()[0][:160]}\n       again: python -m canary.sandbox.chaos {seed}"


def _row(name: str, words: str) -> str:
    return f"{name:<14} {words}"
