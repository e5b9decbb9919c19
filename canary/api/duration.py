"""Durations as Go writes them: `30s`, `1m30s`, `1h`, `1.5s`, `250ms`.

Source: Go, package time, ParseDuration and Duration.String.
"""

from __future__ import annotations

import re

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(r"(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+")
_MAX_TEXT = 64
_MAX_NANOSECONDS = 2**63 - 1


def parse_nanoseconds(text: str) -> int:
    """Nanoseconds in a Go duration; a bare `0` is zero, fractions of a nanosecond are cut off.

    Raises `ValueError` for anything else: signs, spaces, a number without a unit, more than 64 characters, more than
    Go's 292 years.
    """
    if text == "0":
        return 0
    if len(text) > _MAX_TEXT or not _WHOLE.fullmatch(text):
        raise ValueError(f"must be a duration such as 30s, 5m or 1h30m, not {text[:_MAX_TEXT]!r}")
    total = sum(
        int(whole or 0) * _UNITS[unit] + _fraction(fraction, _UNITS[unit])
        for whole, fraction, unit in _PART.findall(text)
    )
    if total > _MAX_NANOSECONDS:
        raise ValueError(f"must be a duration below 292 years, not {text!r}")
    return total


def _fraction(digits: str, unit: int) -> int:
    """Whole nanoseconds in `0.digits` units, in Go's own arithmetic: API servers judge a limit by that."""
    numerator, scale = 0, 1.0
    for digit in digits:
        longer = numerator * 10 + int(digit)
        if numerator > _MAX_NANOSECONDS // 10 or longer > 2**63:
            break
        numerator, scale = longer, scale * 10
    return int(float(numerator) * (float(unit) / scale))


def parse_duration(text: str) -> float:
    """Seconds in a Go duration. Raises `ValueError` as `parse_nanoseconds` does."""
    return parse_nanoseconds(text) / 1e9


def format_duration(seconds: float) -> str:
    """The shortest Go duration for `seconds`, rounded to milliseconds: `90.0` is `1m30s`, `0.25` is `250ms`."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes else "")
    if rest or not text:
        text += f"{rest // 1000}s" if rest % 1000 == 0 else f"{rest / 1000:g}s"
    return text


def go_duration(seconds: int) -> str:
    """Whole seconds as Go prints a duration: `30s`, `1m0s`, `1h0m0s`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
