"""The metrics sources that this installation has, and what each can carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from canary.api.canary import CanarySpec, Metric
from canary.api.duration import format_duration, parse_duration
from canary.api.schema import FieldError
from canary.metrics.source import Source

HOW = {
    "SMI": "",
    "Prometheus": "the administrator names its address with --prometheus-url",
    "Proxies": "the administrator names the proxies with --proxies",
}
"""What makes a source available, by its name in `spec.analysis.source`."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A source, and the shortest window in seconds that it can carry, with the reason in words.

    `peers` is whether it knows who sent a request, `latency` whether it knows how long requests took, and `histogram`
    whether it knows how many took longer than a given time; both only in windows of at least `timed` seconds.
    """

    source: Source
    shortest: float = 1.0
    reason: str = ""
    peers: bool = True
    latency: bool = True
    histogram: bool = True
    timed: float = 0.0


class Sources(Mapping[str, Source]):
    """The sources by name, each with its offer."""

    def __init__(self, offers: Mapping[str, Offer]) -> None:
        self._offers = dict(offers)

    def __getitem__(self, name: str) -> Source:
        return self._offers[name].source

    def __iter__(self) -> Iterator[str]:
        return iter(self._offers)

    def __len__(self) -> int:
        return len(self._offers)

    def errors(self, spec: CanarySpec) -> tuple[FieldError, ...]:
        """Why a spec that is valid elsewhere cannot be carried out here."""
        name = spec.analysis.source
        offer = self._offers.get(name)
        if offer is None:
            return (FieldError("spec.analysis.source", f"{name} is not available here: {HOW[name]}"),)
        return tuple(_errors(offer, spec))


def _errors(offer: Offer, spec: CanarySpec) -> Iterator[FieldError]:
    analysis = spec.analysis
    if parse_duration(analysis.interval) < offer.shortest:
        shortest = format_duration(offer.shortest)
        words = f"must be at least {shortest} with source {analysis.source}: {offer.reason}"
        yield FieldError("spec.analysis.interval", words)
    for number, metric in enumerate(analysis.metrics):
        if lacks := _lacks(offer, metric, parse_duration(analysis.interval)):
            words = f"{metric.name} cannot be read: source {analysis.source} {lacks}"
            yield FieldError(f"spec.analysis.metrics[{number}]", words)


def _lacks(offer: Offer, metric: Metric, interval: float) -> str:
    if metric.from_ is not None and not offer.peers:
        return "does not know who sent a request, which `from` asks for"
    if metric.quantile is not None and not offer.latency:
        return "does not know how long requests took"
    if metric.slower_than is not None and not offer.histogram:
        return "has no histogram, which `slowerThan` needs"
    if (metric.quantile or metric.slower_than) and interval < offer.timed:
        return f"knows how long requests took only in windows of at least {format_duration(offer.timed)}"
    return ""
