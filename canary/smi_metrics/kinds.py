"""The resources that are served: their plurals in paths, and their kinds in objects.

smi-metrics writes `Daemonset` and `Statefulset`; here a kind is spelled as Kubernetes spells it, and clients should
compare kinds without case.
"""

from __future__ import annotations

from dataclasses import dataclass

from canary.kube.resources import DEPLOYMENTS, NAMESPACES, PODS, SERVICES, Resource
from canary.metrics.prometheus.pack import Kind

GROUP = "metrics.smi-spec.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
GROUP_PATH = f"/apis/{GROUP}"
PREFIX = f"{GROUP_PATH}/{VERSION}"


@dataclass(frozen=True, slots=True)
class Served:
    """One resource: how it is asked for in Prometheus, and the objects of Kubernetes that it is about."""

    kind: Kind
    objects: Resource

    @property
    def plural(self) -> str:
        return self.objects.plural

    @property
    def spelled(self) -> str:
        return self.objects.kind

    @property
    def discovered(self) -> str:
        """The kind in discovery, which is not that of the objects.

        kubectl goes from a resource to its kind and back: were it the same for all, as it is for smi-metrics,
        `kubectl get` would ask for another resource than it was told.
        """
        return f"{self.spelled}TrafficMetrics"

    @property
    def namespaced(self) -> bool:
        return self.objects.namespaced


NAMESPACE = Served("namespace", NAMESPACES)
SERVED: tuple[Served, ...] = (
    Served("daemonset", Resource("apps", "v1", "daemonsets", "DaemonSet")),
    Served("deployment", DEPLOYMENTS),
    NAMESPACE,
    Served("pod", PODS),
    Served("service", SERVICES),
    Served("statefulset", Resource("apps", "v1", "statefulsets", "StatefulSet")),
)
EDGES = "EdgeTrafficMetrics"
"""The kind of `edges` in discovery, as which the API server reads /namespaces/NAME/edges (RequestInfoFactory)."""
BY_PLURAL = {served.plural: served for served in SERVED}
BY_KIND = {served.kind: served for served in SERVED}
