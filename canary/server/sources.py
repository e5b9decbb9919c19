"""The metrics sources of this installation, put together from its settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from canary.api.duration import format_duration
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.metrics.prometheus.counters import SCRAPES
from canary.metrics.prometheus.http import HttpPrometheus
from canary.metrics.prometheus.pack import Pack
from canary.metrics.prometheus.source import PrometheusSource
from canary.metrics.proxies.fetch import HttpFetch
from canary.metrics.proxies.flavour import Flavour
from canary.metrics.proxies.source import Pods, ProxySource
from canary.metrics.smi import LatencyUnit
from canary.metrics.smi_source import SmiSource
from canary.metrics.sources import Offer, Sources

DEFAULT_SCRAPE = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusSettings:
    """Where Prometheus is, what the mesh calls its metrics there, and how often it is scraped, in seconds."""

    url: str
    pack: Pack
    ca_file: str = ""
    token_file: str = ""
    scrape: float = DEFAULT_SCRAPE


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """What the administrator has said of sources; the SMI metrics API is always one of them."""

    latency_unit: LatencyUnit = "Auto"
    prometheus: PrometheusSettings | None = None
    proxies: Flavour | None = None


class Installed:
    """The sources and their connections. Build it in a running event loop. Raises `BadAddress`."""

    def __init__(self, settings: SourceSettings, client: Client, pods: Pods, *, clock: Clock, user_agent: str) -> None:
        self._closing: list[Callable[[], Awaitable[None]]] = []
        smi = SmiSource(client, clock=clock, latency_unit=settings.latency_unit)
        offers = {"SMI": Offer(smi, histogram=False)}
        if settings.prometheus is not None:
            offers["Prometheus"] = self._prometheus(settings.prometheus, clock, user_agent)
        if settings.proxies is not None:
            fetch = HttpFetch()
            self._closing.append(fetch.close)
            source = ProxySource(pods, fetch, settings.proxies, clock=clock)
            timed = settings.proxies.latency is not None
            offers["Proxies"] = Offer(
                source, peers=False, latency=timed, histogram=timed, timed=settings.proxies.renewal
            )
        self.sources = Sources(offers)

    def _prometheus(self, settings: PrometheusSettings, clock: Clock, user_agent: str) -> Offer:
        prometheus = HttpPrometheus(
            settings.url,
            ca_file=settings.ca_file or None,
            token_file=settings.token_file or None,
            user_agent=user_agent,
            clock=clock,
        )
        self._closing.append(prometheus.close)
        pack, scrape = settings.pack, settings.scrape
        return Offer(
            PrometheusSource(prometheus, pack, scrape=scrape, clock=clock),
            shortest=SCRAPES * scrape,
            reason=f"a window needs {SCRAPES} scrapes, of {format_duration(scrape)} each",
            peers=pack.edges is not None and pack.edges.source is not None,
            latency=pack.latency is not None,
            histogram=pack.latency is not None,
        )

    async def close(self) -> None:
        """Close every connection."""
        for close in self._closing:
            await close()
