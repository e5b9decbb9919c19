"""The query API of Prometheus, as far as a metrics source needs it.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class Point(NamedTuple):
    """One sample of a series: unix seconds of the scrape (or of the evaluation), and the value, which may be NaN."""

    time: float
    value: float


class Series(NamedTuple):
    """One series of an answer: its labels, and its samples, oldest first (one for an instant vector)."""

    labels: Mapping[str, str]
    points: Sequence[Point]


class Result(NamedTuple):
    """An answer. `served_at` is the server's own time, `None` when it does not say; `warnings` are its words."""

    series: Sequence[Series]
    served_at: datetime | None = None
    warnings: tuple[str, ...] = ()


class PrometheusError(Exception):
    """Prometheus could not be asked, or answered nonsense. The message is a sentence for people, without a full stop.

    `code` is the HTTP status, 0 when there was no answer; `rejected` that the query itself was refused.
    """

    def __init__(self, message: str, *, code: int = 0, rejected: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.rejected = rejected


class Prometheus(Protocol):
    """Answers queries: the HTTP client, or what a test puts in its place."""

    async def query(self, promql: str, *, timeout: float, time: float | None = None) -> Result:
        """Evaluate at unix seconds `time`, by default the server's now: an instant vector, or a range vector.

        Raises `PrometheusError`, after `timeout` seconds at the latest, also when the answer is a scalar or a string.
        """
        ...
