"""How a version of the application behaves: a file that a test replaces and the servers read again.

Times are those of `time.monotonic`, which all processes of a machine share.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import msgspec

_Z99 = 2.3263478740408408
"""The 99th percentile of the standard normal distribution."""


class Behaviour(msgspec.Struct, frozen=True):
    """`errors` is the share of requests (0 to 1) that fail with `status`, from the moment `errors_from` on.

    Latencies in seconds are log-normal with this median and 99th percentile. With `ready` false the probe fails, with
    `unready_pods` that of Pods whose names begin so.
    """

    errors: float = 0.0
    errors_from: float = 0.0
    status: int = 500
    median: float = 0.002
    p99: float = 0.006
    ready: bool = True
    unready_pods: str = ""

    def __post_init__(self) -> None:
        if not (0 <= self.errors <= 1 and 0 < self.median <= self.p99):
            raise ValueError(f"{self}: errors are 0 to 1, and the median is above 0 and at most the p99")

    def is_ready(self, pod: str) -> bool:
        """Whether the probe of this Pod is answered well."""
        return self.ready and not (self.unready_pods and pod.startswith(self.unready_pods))

    def fails(self, now: float, rng: random.Random) -> bool:
        """Whether the request that arrives at `now` is to fail."""
        return now >= self.errors_from and rng.random() < self.errors

    def latency(self, rng: random.Random) -> float:
        """Seconds that one answer takes, at most five times the p99."""
        spread = math.log(self.p99 / self.median) / _Z99
        return min(rng.lognormvariate(math.log(self.median), spread), 5 * self.p99)


def write(path: Path, behaviour: Behaviour) -> None:
    """Puts the behaviour in the file's place in one step."""
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(msgspec.json.encode(behaviour))
    unfinished.rename(path)


class BehaviourFile:
    """The behaviour that the file says, read again when another file has taken its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._behaviour = Behaviour()

    def current(self) -> Behaviour:
        """A file that is not there yet means the defaults. Raises `msgspec.DecodeError` for nonsense."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return self._behaviour
        if self._seen != (found.st_ino, found.st_mtime_ns):
            self._behaviour = msgspec.json.decode(self._path.read_bytes(), type=Behaviour)
            self._seen = found.st_ino, found.st_mtime_ns
        return self._behaviour
