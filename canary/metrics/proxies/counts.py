"""What a proxy has counted since it started, and how much that grew between two answers.

A sidecar may have hundreds of series, a thousand pods are read every second, and from one second to the next few series
change and none comes or goes. Hence an answer is kept as numbers in the order of its lines, and which series they are
and what these mean is worked out once, for as long as they stay the same.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from canary.metrics.prometheus.pack import Outcome
from canary.metrics.proxies.exposition import Malformed, check, labels, numbers, samples
from canary.metrics.proxies.flavour import Flavour

# What a series counts: successes, failures, nothing that is wanted, or (from 0 on) requests that took at most so long.
_SUCCESS, _FAILURE, _NOTHING = -1.0, -2.0, -3.0


class _Layout:
    """Which series an answer has, by the hash of their text: `meanings` is one of the constants above, or a bound.

    `bounds` are those that every histogram of the answer has, in the unit of the proxy.
    """

    __slots__ = ("bounds", "meanings", "series")

    def __init__(self, series: array[int], meanings: Sequence[float]) -> None:
        self.series, self.meanings = series, tuple(meanings)
        found = Counter(meaning for meaning in meanings if meaning >= 0)
        self.bounds = frozenset(bound for bound, count in found.items() if count == found[inf])


@dataclass(frozen=True, slots=True)
class Counts:
    """One answer: all that was counted since the proxy started. `life` is its flavour's `Life`, 0 without one."""

    layout: _Layout
    values: array[float]
    life: float = 0.0


@dataclass(frozen=True, slots=True)
class Growth:
    """What was counted between two answers of one proxy.

    `within` has the requests that took at most so long, where there are any; `bounds` are those that all histograms of
    the answer have. Both are in the flavour's unit, and empty without a histogram.
    """

    success: float
    failure: float
    within: Mapping[float, float]
    bounds: frozenset[float]


_NO_LINES = _Layout(array("q"), ())


class Reader:
    """Reads the answers of proxies of one flavour."""

    def __init__(self, flavour: Flavour) -> None:
        self._flavour, self._life = flavour, flavour.life
        self._metric = flavour.requests.metric.encode()
        self._buckets = flavour.latency.metric.encode() if flavour.latency else b""

    def read(self, body: bytes, before: Counts | None = None) -> Counts:
        """What `body` says. `before`, an older answer of the same proxy, only saves work. Raises `Malformed`."""
        check(body)
        lines = samples(body, self._metric)
        if self._buckets:
            lines += samples(body, self._buckets)
        series = array("q", [hash(text) for text, _ in lines])
        layout = before.layout if before else _NO_LINES
        if layout.series != series:
            layout = self._layout(series, [text for text, _ in lines], layout)
        return Counts(layout, numbers([value for _, value in lines]), self._age(body))

    def _layout(self, series: array[int], texts: Sequence[bytes], before: _Layout) -> _Layout:
        known = dict(zip(before.series, before.meanings, strict=True))
        meanings: list[float] = []
        outcomes: dict[bytes, Outcome | None] = {}
        for key, text in zip(series, texts, strict=True):
            meaning = known.get(key)
            meanings.append(self._meaning(text, outcomes) if meaning is None else meaning)
        if len(set(series)) != len(series):
            raise Malformed("the answer has a series twice")
        return _Layout(series, meanings)

    def growth(self, before: Counts, now: Counts) -> Growth:
        """What was counted between two answers. A counter that fell, or that is new, counted from zero.

        A counter that is gone added nothing that anybody knows: proxies drop series that have been idle for long.
        """
        if self._restarted(before, now):
            olds: Sequence[float] = array("d", bytes(8 * len(now.values)))
        elif before.layout is now.layout:
            olds = before.values
        else:
            index = dict(zip(before.layout.series, before.values, strict=True))
            olds = [index.get(series, 0.0) for series in now.layout.series]
        grown = {_SUCCESS: 0.0, _FAILURE: 0.0, _NOTHING: 0.0}
        for meaning, old, new in zip(now.layout.meanings, olds, now.values, strict=True):
            if new != old:
                grown[meaning] = grown.get(meaning, 0.0) + (new - old if new > old else new)
        del grown[_NOTHING]
        return Growth(grown.pop(_SUCCESS), grown.pop(_FAILURE), grown, now.layout.bounds)

    def _restarted(self, before: Counts, now: Counts) -> bool:
        if self._life is None:
            return False
        return now.life < before.life if self._life.says == "Uptime" else now.life != before.life

    def _age(self, body: bytes) -> float:
        if self._life is None:
            return 0.0
        found = samples(body, self._life.metric.encode())
        if not found:
            raise Malformed(f"the answer has no {self._life.metric}; is the port that of the proxy")
        return numbers([found[0][1]])[0]

    def _meaning(self, text: bytes, outcomes: dict[bytes, Outcome | None]) -> float:
        """What a series counts. The buckets of one histogram differ in their bound: `outcomes` has the rest of each."""
        bucket = _BUCKET.fullmatch(text) if self._buckets and text.startswith(self._buckets) else None
        if bucket is not None and bucket["rest"] in outcomes:
            outcome, le = outcomes[bucket["rest"]], bucket["le"].decode(errors="replace")
            return _NOTHING if outcome is None else _bound(le)
        found = labels(text)
        outcome = self._flavour.requests.outcome(found) if self._flavour.counts(found) else None
        if bucket is not None:
            outcomes[bucket["rest"]] = outcome
        if outcome is None:
            return _NOTHING
        if text.partition(b"{")[0].rstrip() == self._buckets:
            return _bound(found.get("le", ""))
        return _SUCCESS if outcome == "success" else _FAILURE


_BUCKET = re.compile(rb'(?P<rest>.*[{,])le="(?P<le>[^"\\]*+)"\}')


def _bound(text: str) -> float:
    try:
        bound = float(text)
    except ValueError:
        bound = -1.0
    if not bound >= 0:
        raise Malformed(f"the answer has a bucket with the bound {text!r}")
    return bound
