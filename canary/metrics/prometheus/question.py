"""What is asked of Prometheus on behalf of somebody, and what a mesh has measured, whichever mesh it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from canary.core.window import Quantile
from canary.metrics.prometheus.pack import Kind


class Unanswerable(ValueError):
    """The pack has no numbers for such a question. The message is a sentence for people, without a full stop."""


@dataclass(frozen=True, slots=True)
class Workload:
    """An object whose traffic was measured; `namespace` is empty for a namespace itself."""

    kind: Kind
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Question:
    """Numbers of the last `seconds` of objects of one `kind`.

    An empty `namespace` means all of them, no `names` all objects. With `edges` each pair of source and destination is
    a number of its own, and `peers` narrows who sent (their kind is `kind`, too, unless `peer_kind` says otherwise).
    """

    kind: Kind
    seconds: int
    namespace: str = ""
    names: tuple[str, ...] = ()
    edges: bool = False
    peer_kind: Kind | None = None
    peer_namespace: str = ""
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """What one workload answered, from anybody or (an edge) from `source`. Requests may be fractional.

    `latency` holds the quantiles that are known, in seconds. `at` is when the newest sample was scraped, unix seconds.
    """

    workload: Workload
    success: float
    failure: float
    latency: Mapping[Quantile, float] = field(default_factory=dict, hash=False)
    at: float = 0.0
    source: Workload | None = None
