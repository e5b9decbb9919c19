"""Cluster addresses of Services.

Source: Kubernetes, "Service ClusterIP allocation".
"""

from __future__ import annotations

from canary.sandbox.apiserver.builtin import SERVICES
from canary.sandbox.apiserver.cluster import Cluster
from canary.sandbox.apiserver.objects import Object, dig

_NETWORK = "10.96"
_FIRST = 10


def with_addresses(cluster: Cluster, service: Object, old: Object | None) -> Object:
    """The Service with a clusterIP: its own, the one it had, or a free one."""
    spec = service.get("spec") or {}
    if spec.get("type", "ClusterIP") == "ExternalName":
        return service
    address = spec.get("clusterIP") or dig(old, ("spec", "clusterIP")) or _free(cluster)
    addresses = {
        "clusterIP": address,
        "clusterIPs": spec.get("clusterIPs") or [address],
        "ipFamilies": spec.get("ipFamilies") or ["IPv4"],
        "ipFamilyPolicy": spec.get("ipFamilyPolicy") or "SingleStack",
    }
    return {**service, "spec": {**spec, **addresses}}


def _free(cluster: Cluster) -> str:
    """An address that nobody has, nor had a moment ago: a real server picks at random."""
    taken = {dig(obj, ("spec", "clusterIP")) for obj in cluster.storage.objects(SERVICES.storage).values()}
    number = _FIRST + cluster.storage.version
    while (address := f"{_NETWORK}.{number // 256 % 256}.{number % 256}") in taken:
        number += 1
    return address
