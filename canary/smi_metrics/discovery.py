"""What the server says of itself: discovery in both forms, and its version.

Sources: Kubernetes, "The Kubernetes API", Discovery API; k8s.io/api, package apidiscovery/v2.
"""

from __future__ import annotations

from typing import Any

from canary import __version__
from canary.smi_metrics.kinds import API_VERSION, EDGES, GROUP, SERVED, VERSION

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_LIST = "TrafficMetricsList"


def group() -> dict[str, Any]:
    """The APIGroup."""
    version = {"groupVersion": API_VERSION, "version": VERSION}
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": GROUP,
        "versions": [version],
        "preferredVersion": version,
    }


def groups() -> dict[str, Any]:
    """The APIGroupList of a server with one group."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]}


def resources() -> dict[str, Any]:
    """The APIResourceList: the resources, and the edges of each."""
    found = []
    for served in SERVED:
        scope = {"namespaced": served.namespaced}
        names = {"name": served.plural, "singularName": served.spelled.lower()}
        found.append({**names, **scope, "kind": served.discovered, "verbs": ["get", "list"]})
        if served.namespaced:
            name = f"{served.plural}/edges"
            found.append({"name": name, "singularName": "", **scope, "kind": _LIST, "verbs": ["get"]})
    found.append({"name": "edges", "singularName": "edge", "namespaced": True, "kind": EDGES, "verbs": ["list"]})
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API_VERSION, "resources": found}


def aggregated() -> dict[str, Any]:
    """The APIGroupDiscoveryList, in which the API server looks first."""
    found = [
        _discovered(each.plural, each.spelled.lower(), each.discovered, ["get", "list"], each.namespaced)
        for each in SERVED
    ]
    found.append(_discovered("edges", "edge", EDGES, ["list"], namespaced=True))
    versions = [{"version": VERSION, "freshness": "Current", "resources": found}]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [{"metadata": {"name": GROUP}, "versions": versions}],
    }


def _discovered(plural: str, singular: str, kind: str, verbs: list[str], namespaced: bool) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resource": plural,
        "responseKind": {"group": GROUP, "version": VERSION, "kind": kind},
        "scope": "Namespaced" if namespaced else "Cluster",
        "singularResource": singular,
        "verbs": verbs,
    }
    if plural not in ("edges", "namespaces"):
        edges = {"group": GROUP, "version": VERSION, "kind": _LIST}
        resource["subresources"] = [{"subresource": "edges", "responseKind": edges, "verbs": ["get"]}]
    return resource


def version() -> dict[str, str]:
    """What /version answers, in the fields that clients of Kubernetes read."""
    major, minor, *_ = __version__.split(".")
    return {"major": major, "minor": minor, "gitVersion": f"v{__version__}"}
