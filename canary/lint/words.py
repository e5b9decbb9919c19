"""Numbers for people."""

from __future__ import annotations

from math import ceil, floor, log10

from canary.api.duration import format_duration as lasting


def count(requests: float) -> str:
    """So many requests, cut off: to whole ones from ten on, to two digits below: `0.3`, `409`, `12,300`."""
    if requests >= 10.0 or requests <= 0.0:
        return f"{floor(requests + 1e-9):,}"
    unit = 10.0 ** (floor(log10(requests)) - 1)
    return f"{round(floor(requests / unit + 1e-9) * unit, 10):.10g}"


def at_least(rate: float) -> str:
    """A positive rate that is enough, rounded up to two digits: `5.6`, `42`, `1,700`."""
    unit = 10.0 ** (floor(log10(rate)) - 1)
    return f"{round(ceil(rate / unit - 1e-9) * unit, 10):,.10g}"


def percent(share: float) -> str:
    """A share of 0.0 to 1.0, rounded: `6.5%`."""
    return f"{100.0 * share:.2g}%" if share < 0.995 else "100%"


__all__ = ["at_least", "count", "lasting", "percent"]
