"""Builders of windows, and a test that is fed with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from canary.core.evidence import Counts, Evidence, Outcome, RateRatio, Test, WindowCounts, count
from canary.core.window import Missing


def _window(
    canary: tuple[float, float] | Missing = (100, 1),
    stable: tuple[float, float] | Missing = (900, 9),
    *,
    number: int = 0,
    seconds: float = 10.0,
) -> WindowCounts:
    """Window `number`, given as (requests, bad) of each side."""
    sides = [side if isinstance(side, Missing) else Counts(*side) for side in (canary, stable)]
    return WindowCounts(number * seconds, (number + 1) * seconds, *sides)


def _play(
    windows: Iterable[tuple[object, object]], test: Test | None = None, before: Evidence | None = None
) -> Outcome:
    """What the last of these windows led to, one after another from `before` on."""
    evidence = before or Evidence()
    first = round(evidence.end / 10.0)
    for number, (canary, stable) in enumerate(windows, first):
        outcome = count(test or RateRatio(), evidence, _window(canary, stable, number=number))
        evidence = outcome.evidence
    return outcome


@pytest.fixture
def window() -> Callable[..., WindowCounts]:
    return _window


@pytest.fixture
def play() -> Callable[..., Outcome]:
    return _play
