"""How long ago, as kubectl says it.

Source: k8s.io/apimachinery, package util/duration, HumanDuration.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

UNKNOWN = "<unknown>"
INVALID = "<invalid>"


def parse(timestamp: str) -> datetime:
    """An RFC 3339 timestamp. Raises `ValueError`."""
    moment = datetime.fromisoformat(timestamp)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def since(timestamp: Any, now: datetime) -> str:
    """The age of `timestamp`: `90s`, `5m10s`, `3h12m`, `2d`; `<unknown>` when there is none."""
    if not timestamp:
        return UNKNOWN
    try:
        return human((now - parse(str(timestamp))).total_seconds())
    except ValueError:
        return INVALID


def human(duration: float) -> str:
    """`duration`, in seconds, in at most two units; two seconds in the future are forgiven as clock skew."""
    if duration <= -2:
        return INVALID
    seconds = max(int(duration), 0)
    minutes, hours, days, years = seconds // 60, seconds // 3600, seconds // 86400, seconds // (365 * 86400)
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if years < 2:
        return f"{days}d"
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
