"""What one mesh calls its metrics and labels: a data file, read into these structures.

A pack says four things: which counter counts requests and which of its series are failures, which histogram has their
latency, how a series names the workload that *received* the requests, and how a series that a client measured names
both ends of an *edge*.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from canary.metrics.prometheus.re2 import compiled

Kind: TypeAlias = Literal["namespace", "deployment", "statefulset", "daemonset", "pod", "service"]
"""What numbers can be asked of; the SMI Traffic Metrics API has a plural of each."""
Outcome: TypeAlias = Literal["success", "failure"]

LabelName = Annotated[str, Meta(pattern=r"^(?!__)[a-zA-Z_][a-zA-Z0-9_]*\Z", max_length=128)]
MaybeLabelName = Annotated[str, Meta(pattern=r"^((?!__)[a-zA-Z_][a-zA-Z0-9_]*)?\Z", max_length=128)]
MetricName = Annotated[str, Meta(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*\Z", max_length=256)]
Pattern = Annotated[str, Meta(max_length=256)]
Regex = Annotated[str, Meta(min_length=1, max_length=256)]
Text = Annotated[str, Meta(min_length=1, max_length=1024)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A part of a pack. Unknown fields are refused."""


class Failure(_Part, frozen=True, kw_only=True):
    """Series whose `label` matches `regex` as a whole count failed requests; all others count successful ones.

    A missing label is the empty value, as it is to Prometheus.
    """

    label: LabelName
    regex: Regex

    def matches(self, labels: Mapping[str, str]) -> bool:
        return compiled(self.regex).fullmatch(labels.get(self.label, "")) is not None


class Requests(_Part, frozen=True, kw_only=True):
    """The counter of requests. Series whose `ignored` labels match are neither success nor failure.

    `grpc_failure` finds the failures of a protocol whose HTTP status is 200 throughout.
    """

    metric: MetricName
    failure: Failure
    grpc_failure: Failure | None = None
    ignored: Failure | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that `outcome` looks at."""
        return tuple(rule.label for rule in (self.failure, self.grpc_failure, self.ignored) if rule is not None)

    def outcome(self, labels: Mapping[str, str]) -> Outcome | None:
        """What a series with these labels counts; `None` is neither success nor failure."""
        if self.ignored is not None and self.ignored.matches(labels):
            return None
        failed = self.failure.matches(labels) or (self.grpc_failure is not None and self.grpc_failure.matches(labels))
        return "failure" if failed else "success"


class Latency(_Part, frozen=True, kw_only=True):
    """The classic histogram of the same requests; `metric` is that of its buckets, with `le` in `unit`."""

    metric: MetricName
    unit: Literal["s", "ms"]

    @property
    def seconds(self) -> float:
        """How many seconds the unit has."""
        return 1.0 if self.unit == "s" else 1e-3


class Name(_Part, frozen=True, kw_only=True):
    """Where a series says a name: the whole `label`, or the parts of a `pattern`.

    A pattern is literal text with `{name}` once, `{namespace}` at most once, `{port}` and `{any}`, such as
    `{namespace}-{name}-{port}@{any}`. A `{port}` has no dash; `{any}` does not hold the character
    before it.
    """

    label: LabelName
    pattern: Pattern = "{name}"


class End(_Part, frozen=True, kw_only=True):
    """How a series names one end of its traffic. Without a `namespace` label it is in the pattern of every name.

    `unknown` are the values that stand for an end that the mesh could not make out.
    """

    names: dict[Kind, Name]
    namespace: MaybeLabelName = ""
    unknown: tuple[Text, ...] = ()


class View(_Part, frozen=True, kw_only=True):
    """One way to measure: series whose labels match `where` (label to regex, matched as a whole).

    `destination` received the requests; `source`, if there is one, sent them.
    """

    destination: End
    source: End | None = None
    where: dict[LabelName, Regex] = {}


class Pack(_Part, frozen=True, kw_only=True):
    """One mesh. `received` is what servers measured, `edges` what clients did; either may be missing.

    `cites` names the upstream file and version of every metric and label name.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,62}\Z")]
    title: Text
    cites: tuple[Text, ...]
    requests: Requests
    latency: Latency | None = None
    received: View | None = None
    edges: View | None = None

    def view(self, kind: Kind) -> View | None:
        """Where the requests that objects of a kind received are counted: by servers if possible, else by clients."""
        return next((view for view in (self.received, self.edges) if view and kind in view.destination.names), None)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that it has numbers of, in alphabetical order."""
        views = [view for view in (self.received, self.edges) if view is not None]
        return tuple(sorted({kind for view in views for kind in view.destination.names}))
