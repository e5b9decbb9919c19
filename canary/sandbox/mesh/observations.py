"""What a mesh has seen of its traffic: the port between a mesh, real or modelled, and the metrics API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

# Plural in the metrics API → kind of the objects that it counts.
KINDS = {"deployments": "Deployment", "pods": "Pod", "services": "Service", "namespaces": "Namespace"}
QUANTILES = (0.5, 0.9, 0.99)


class Source(NamedTuple):
    """Who answered: a pod of a Deployment, reached as a Service; both are empty when no pod could be asked."""

    namespace: str
    service: str
    deployment: str
    pod: str

    def subject(self, plural: str) -> str:
        """The name of the object of this sort that answered, or `""`."""
        return {
            "deployments": self.deployment,
            "pods": self.pod,
            "services": self.service,
            "namespaces": self.namespace,
        }[plural]


@dataclass(frozen=True, slots=True)
class Reading:
    """Requests that one object answered in a window, and the seconds of QUANTILES."""

    namespace: str
    name: str
    success: float
    failure: float
    latencies: tuple[float, float, float]


class Observations(Protocol):
    def readings(self, plural: str, namespace: str | None, seconds: float) -> Sequence[Reading]:
        """One reading for each object of KINDS[plural] with at least one request in the last `seconds`, by name.

        `namespace` `None` means all.
        """
        ...
