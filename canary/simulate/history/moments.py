"""Moments as people write them: RFC 3339, or Unix seconds."""

from __future__ import annotations

import re
from datetime import datetime

LATEST = 32_503_680_000.0
"""Unix seconds of the year 3000: a number beyond it is no time in seconds."""
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?P<zone>[Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_SECONDS = re.compile(r"\d{1,20}(?:\.\d{1,20})?", re.ASCII)


def moment(text: str) -> float:
    """Unix seconds. Raises `ValueError` with what is wrong, after the words `must be`."""
    if _SECONDS.fullmatch(text):
        seconds = float(text)
        if seconds > LATEST:
            raise ValueError(f"must be Unix seconds, not milliseconds or less: {text}")
        return seconds
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(f"must be a time such as 2026-01-01T12:00:00Z, or Unix seconds, not {text[:40]!r}")
    if found["zone"] is None:
        raise ValueError(f"must be a time with its zone, such as {text}Z or {text}+01:00")
    try:
        seconds = datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"must be a time that there is, not {text}") from None
    if not 0 <= seconds <= LATEST:
        raise ValueError(f"must be a time from 1970 to 2999, not {text}")
    return seconds


def moments(text: str) -> tuple[float, float]:
    """Two moments with a slash between, the earlier one first. Raises `ValueError` with what is wrong."""
    first, slash, second = text.partition("/")
    if not slash:
        raise ValueError(f"must be START/END, such as 2026-01-01T12:00:00Z/2026-01-01T13:00:00Z, not {text[:80]!r}")
    start, end = moment(first.strip()), moment(second.strip())
    if end <= start:
        raise ValueError(f"must be START/END with the earlier one first, not {text}")
    return start, end
