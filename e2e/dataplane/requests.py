"""What became of the requests of a load, and what can be said of them together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

PROXY = "(proxy)"
"""Who has answered when no version has: the proxy, for lack of somebody to ask."""
NOBODY = "(nobody)"


class Request(msgspec.Struct, frozen=True, array_like=True):
    """One request. Times are `time.monotonic`; it was to be sent at `due`. `status` 0: no answer, for the `error`."""

    due: float
    sent: float
    finished: float
    status: int
    version: str = ""
    pod: str = ""
    error: str = ""

    @property
    def ok(self) -> bool:
        """Answered, and not with 5xx."""
        return 0 < self.status < 500

    @property
    def lost(self) -> bool:
        """Answered by no Pod."""
        return not self.version

    @property
    def seconds(self) -> float:
        return self.finished - self.due

    @property
    def answered_by(self) -> str:
        return self.version or (PROXY if self.status else NOBODY)


class Requests:
    """Some requests, in the order in which they were due."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._all = sorted(requests, key=lambda request: request.due)

    def __iter__(self) -> Iterator[Request]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def of(self, version: str) -> Requests:
        """Those that a version has answered."""
        return Requests(request for request in self._all if request.answered_by == version)

    def pod(self, name: str) -> Requests:
        """Those that a Pod has answered."""
        return Requests(request for request in self._all if request.pod == name)

    def between(self, start: float, end: float = math.inf) -> Requests:
        """Those that were sent from `start` on and had their outcome before `end`: nothing else was so for them."""
        return Requests(request for request in self._all if start <= request.sent and request.finished < end)

    def bad(self) -> Requests:
        return Requests(request for request in self._all if not request.ok)

    def lost(self) -> Requests:
        return Requests(request for request in self._all if request.lost)

    def counts(self) -> Counter[tuple[str, int]]:
        """By who has answered, and with which status (0: nobody)."""
        return Counter((request.answered_by, request.status) for request in self._all)

    def share(self, version: str) -> float:
        """The share of all requests that a version has answered; NaN for none at all."""
        return len(self.of(version)) / len(self) if len(self) else math.nan

    def quantile(self, q: float) -> float:
        """The seconds within which the share `q` of the answered requests had their answer; NaN for none."""
        seconds = sorted(request.seconds for request in self._all if request.status)
        return seconds[max(0, math.ceil(q * len(seconds)) - 1)] if seconds else math.nan

    def first_bad(self) -> float | None:
        """When the caller had the first bad answer."""
        return min((request.finished for request in self._all if not request.ok), default=None)

    def table(self) -> str:
        """The numbers by version and outcome, for people."""
        lines = [f"{'answered by':<14}{'status':>7}{'requests':>10}{'p50 ms':>9}{'p99 ms':>9}"]
        for (who, status), count in sorted(self.counts().items()):
            part = Requests(r for r in self._all if (r.answered_by, r.status) == (who, status))
            numbers = f"{part.quantile(0.5) * 1000:>9.1f}{part.quantile(0.99) * 1000:>9.1f}"
            lines.append(f"{who:<14}{status or '-':>7}{count:>10}{numbers}")
        return "\n".join(lines)


def read(path: Path) -> Requests:
    """The requests of a load that have their outcome so far."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else ()
    return Requests(msgspec.json.decode(line, type=Request) for line in lines)
