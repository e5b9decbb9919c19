"""Builders of what was recorded: CSV texts, and the plan of a spec."""

from __future__ import annotations

from collections.abc import Iterable

T0 = 1_767_268_800.0
"""2026-01-01T12:00:00Z in Unix seconds."""
HEADER = "time,canary_requests,canary_failures,stable_requests,stable_failures"


def csv_of(rows: Iterable[tuple[object, ...]], header: str = HEADER) -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def release(
    *phases: tuple[int, tuple[float, float], tuple[float, float]], step: float = 15.0, start: float = T0
) -> str:
    """A file whose rows have, for each phase, so many times the requests and failures of canary and stable."""
    sides = [(*canary, *stable) for times, canary, stable in phases for _ in range(times)]
    return csv_of((start + step * number, *counts) for number, counts in enumerate(sides))
