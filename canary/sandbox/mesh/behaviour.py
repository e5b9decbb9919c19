"""How a pod of the sandbox answers, as told by annotations of the Pod.

| annotation | meaning | default |
|---|---|---|
| `sandbox.canary.delivery/version` | what it says it is | the label `app.kubernetes.io/version`, else its name |
| `sandbox.canary.delivery/error-percent` | share of requests answered with 500 | 0 |
| `sandbox.canary.delivery/latency` | median time to answer, a Go duration | 20ms |
| `sandbox.canary.delivery/latency-spread` | sigma of the log-normal around it; 0 means always the median | 0.25 |

An annotation that cannot be read makes every answer a 500 that says so.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import NormalDist

from canary.api.duration import parse_duration
from canary.api.meta import ObjectMeta

PREFIX = "sandbox.canary.delivery"
VERSION_ANNOTATION = f"{PREFIX}/version"
ERRORS_ANNOTATION = f"{PREFIX}/error-percent"
LATENCY_ANNOTATION = f"{PREFIX}/latency"
SPREAD_ANNOTATION = f"{PREFIX}/latency-spread"

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A share of failures in percent, and a log-normal latency with `median` in seconds and `spread` (sigma)."""

    version: str
    error_percent: float = 0.0
    median: float = 0.02
    spread: float = 0.25
    fault: str = ""

    def fails(self, rng: random.Random) -> bool:
        return rng.random() * 100.0 < self.error_percent

    def seconds(self, rng: random.Random) -> float:
        """One latency at random."""
        return self.median * math.exp(self.spread * rng.gauss(0.0, 1.0))

    def below(self, seconds: float) -> float:
        """The share of latencies of at most `seconds`."""
        if seconds <= 0.0 or self.spread == 0.0 or self.median == 0.0:
            return 1.0 if seconds >= self.median else 0.0
        return _NORMAL.cdf(math.log(seconds / self.median) / self.spread)

    def quantile(self, share: float) -> float:
        """The latency below which `share` of all lie, in seconds."""
        if self.spread == 0.0 or not 0.0 < share < 1.0:
            return self.median
        return self.median * math.exp(self.spread * _NORMAL.inv_cdf(share))


def behaviour_of(pod: ObjectMeta) -> Behaviour:
    """What the annotations of a Pod ask for."""
    notes = pod.annotations
    version = notes.get(VERSION_ANNOTATION) or pod.labels.get("app.kubernetes.io/version") or pod.name
    try:
        return Behaviour(
            version=version,
            error_percent=_number(notes, ERRORS_ANNOTATION, 0.0, 100.0),
            median=_duration(notes, LATENCY_ANNOTATION, 0.02),
            spread=_number(notes, SPREAD_ANNOTATION, 0.25, 10.0),
        )
    except ValueError as error:
        return Behaviour(version, error_percent=100.0, fault=str(error))


def _number(notes: dict[str, str], name: str, default: float, most: float) -> float:
    text = notes.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= most:
        raise ValueError(f"annotation {name} must be a number from 0 to {most:g}, not {text!r}")
    return value


def _duration(notes: dict[str, str], name: str, default: float) -> float:
    text = notes.get(name)
    if text is None:
        return default
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError(f"annotation {name} {error}") from None
