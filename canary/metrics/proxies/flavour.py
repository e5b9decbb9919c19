"""What one kind of sidecar says of the requests that its pod received, and where: a data file, read into `Flavour`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

import msgspec
import yaml
from msgspec import Meta

from canary.metrics.prometheus.pack import LabelName, Latency, MetricName, Regex, Requests, Text
from canary.metrics.prometheus.re2 import NotPortable, compiled

Labels = dict[LabelName, Regex]
"""Label to regular expression, each matched as a whole; a label that a series does not have is empty."""


class BadFlavour(ValueError):
    """A flavour cannot be used; the message names the file and the field."""


class Life(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A gauge that every answer of such a proxy has, and that tells a restart, after which counters count from zero.

    `StartTime` differs after a restart. `Uptime` falls, unless the proxy had been even younger when it was last read;
    then only a counter that fell shows it.
    """

    metric: MetricName
    says: Literal["StartTime", "Uptime"]


class Flavour(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One kind of proxy. It brings its histograms up to date each `renewal` seconds, 0 being at once. `cites` names
    the upstream source of every port, path, metric and label name.

    Only series that match all of `where` count, and none that matches all of one of `without`. A flavour without `life`
    believes an answer that holds nothing, and takes a counter that overtook its old value after a restart for one that
    went on.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    title: Text
    cites: tuple[Text, ...]
    port: Annotated[int, Meta(ge=1, le=65535)]
    path: Annotated[str, Meta(pattern=r"^/[A-Za-z0-9/._~-]*$", max_length=256)]
    query: dict[str, str] = {}
    requests: Requests
    latency: Latency | None = None
    where: Labels = {}
    without: tuple[Labels, ...] = ()
    renewal: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    life: Life | None = None

    @property
    def target(self) -> str:
        """Path and query as they stand in a request."""
        query = urlencode(self.query, quote_via=quote, safe="")
        return f"{self.path}?{query}" if query else self.path

    def counts(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels is of requests that the pod received from others."""
        return _match(self.where, labels) and not any(_match(left_out, labels) for left_out in self.without)


FLAVOURS = ("envoy", "istio", "linkerd")
"""The flavours that come with this program."""


def shipped(name: str) -> Flavour:
    """A flavour that comes with this program. Raises `BadFlavour`."""
    if name not in FLAVOURS:
        raise BadFlavour(f"there is no kind of proxy {name!r}; there are {', '.join(FLAVOURS)}")
    text = resources.files(__package__).joinpath("flavours", f"{name}.yaml").read_text(encoding="utf-8")
    return parse_flavour(text, name)


def parse_flavour(text: str, where: str) -> Flavour:
    """The flavour in a YAML document; `where` names it in messages. Raises `BadFlavour`."""
    try:
        flavour = msgspec.convert(yaml.safe_load(text), Flavour)
        for expression in _expressions(flavour):
            compiled(expression)
        if flavour.latency and not flavour.latency.metric.endswith("_bucket"):
            raise BadFlavour(f"{where}: latency.metric: the name of a classic histogram's buckets ends in _bucket")
    except (yaml.YAMLError, msgspec.ValidationError, NotPortable) as error:
        raise BadFlavour(f"{where}: {error}") from error
    return flavour


def _match(wanted: Labels, found: Mapping[str, str]) -> bool:
    return all(compiled(regex).fullmatch(found.get(name, "")) for name, regex in wanted.items())


def _expressions(flavour: Flavour) -> Iterator[str]:
    requests = flavour.requests
    yield from (rule.regex for rule in (requests.failure, requests.grpc_failure, requests.ignored) if rule)
    for labels in (flavour.where, *flavour.without):
        yield from labels.values()
