"""Builders of plans and of sources whose answers are known."""

from __future__ import annotations

from typing import Any

from canary.core.plan import Limit, Plan, Stage
from canary.core.window import Missing, Reading, Sample, SideReading, SourceFailure, Window
from canary.simulate.play import EPOCH, Source

STAGES = (Stage(5, hold=60.0), Stage(50, hold=60.0), Stage(100))


def make_plan(stages: tuple[Stage, ...] = STAGES, **overrides: Any) -> Plan:
    fields = {
        "root": "shop", "stable": "v1", "canary": "v2", "stages": stages, "hash": "plan", "interval": 10.0,
        "limits": (Limit("success-rate", 99.0, 90.0),), "warmup": 30.0, "settle": 10.0,
    }  # fmt: skip
    return Plan(**(fields | overrides))


def make_source(canary: float = 0.0, *, onset: float = 0.0, rps: float = 100.0) -> Source:
    """So many requests a second, of which the canary fails a share from second `onset` on, and stable none."""

    def read(start: float, end: float, weight: int) -> Reading:
        requests = rps * (end - start)
        share = canary if start >= onset else 0.0
        sides = _side(requests * weight / 100, share), _side(requests * (100 - weight) / 100, 0.0)
        return Window(start, end, EPOCH + end, *sides)

    return read


def failing(start: float, end: float, weight: int) -> Reading:
    return SourceFailure(end, EPOCH + end, "connection refused")


def _side(requests: float, share: float) -> SideReading:
    return Sample(requests * (1.0 - share), requests * share) if requests else Missing("no requests")
