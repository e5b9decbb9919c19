"""What the server serves, told to clients: `/api`, `/apis`, their groups and versions, one by one or all at once.

Source: Kubernetes, "The Kubernetes API", discovery; "Versions in CustomResourceDefinitions", version priority.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canary.sandbox.apiserver.registry import Aggregated
from canary.sandbox.apiserver.restype import ResourceType

Document = dict[str, Any]

# The order in which a real server lists the groups, which decides who gets an ambiguous short name; definitions and
# aggregated APIs come after them, by name. Source: kube-apiserver, priorities of its APIServices.
_GROUPS = (
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "apiextensions.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
)
_SUBRESOURCE_VERBS = ["get", "patch", "update"]
_ALL_AT_ONCE = re.compile(r"application/json;g=apidiscovery\.k8s\.io;v=(v2|v2beta1);as=APIGroupDiscoveryList\b")


@dataclass(frozen=True, slots=True)
class Answer:
    """A document of discovery and its media type."""

    body: Document
    content_type: str = "application/json"


def answer(path: str, accept: str, kinds: Iterable[ResourceType], apis: Iterable[Aggregated] = ()) -> Answer | None:
    """The document at `path`, or None when there is none; `apis` are served by others, but told here."""
    parts = path.strip("/").split("/")
    served = _served(kinds, apis)
    match parts:
        case ["api"] | ["apis"]:
            return _root(parts[0], accept, served)
        case ["api", "v1"]:
            return Answer(_resource_list("", "v1", served[""]["v1"]))
        case ["apis", group] if group in served and group:
            return Answer({"kind": "APIGroup", "apiVersion": "v1", **_group(group, served[group])})
        case ["apis", group, version] if group and version in served.get(group, ()):
            return Answer(_resource_list(group, version, served[group][version]))
    return None


def version_priority(version: str) -> tuple[Any, ...]:
    """A key that sorts versions as the server does: v2, v1, v1beta1, v1alpha1, then other names by alphabet."""
    found = re.fullmatch(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?", version)
    if found is None:
        return (3, version)
    stability = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return (stability, -int(found[1]), -int(found[3] or 0))


_Served = dict[str, dict[str, list[Document]]]


def _served(kinds: Iterable[ResourceType], apis: Iterable[Aggregated]) -> _Served:
    """Group to version to APIResource documents, groups and versions in the order of the server."""
    found: _Served = {"": {"v1": []}}
    for kind in kinds:
        found.setdefault(kind.group, {}).setdefault(kind.version, []).extend(_resources(kind))
    for api in apis:
        found.setdefault(api.group, {}).setdefault(api.version, []).extend(api.resources)
    return {
        group: {version: found[group][version] for version in sorted(found[group], key=version_priority)}
        for group in sorted(found, key=_group_priority)
    }


def _group_priority(group: str) -> tuple[int, str]:
    return (_GROUPS.index(group) if group in _GROUPS else len(_GROUPS), group)


def _resources(kind: ResourceType) -> Iterator[Document]:
    """The resource, then its subresources. Short names and categories belong to the resource alone."""
    extras = {"shortNames": list(kind.short_names), "categories": list(kind.categories)}
    yield {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
        **{name: value for name, value in extras.items() if value},
    }
    below = {"singularName": "", "namespaced": kind.namespaced}
    if kind.status:
        yield {"name": f"{kind.plural}/status", **below, "kind": kind.kind, "verbs": _SUBRESOURCE_VERBS}
    if kind.scale is not None:
        scale = {"group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": _SUBRESOURCE_VERBS}
        yield {"name": f"{kind.plural}/scale", **below, **scale}


def _root(root: str, accept: str, served: _Served) -> Answer:
    core = root == "api"
    groups = {group: versions for group, versions in served.items() if (group == "") is core}
    chosen = _ALL_AT_ONCE.search(accept.replace(" ", ""))
    if chosen is not None:
        return _all_at_once(groups, chosen[1])
    if core:
        addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:443"}]
        body = {"kind": "APIVersions", "versions": list(groups[""]), "serverAddressByClientCIDRs": addresses}
        return Answer(body)
    listed = [_group(group, versions) for group, versions in groups.items()]
    return Answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})


def _group(group: str, versions: Iterable[str]) -> Document:
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _resource_list(group: str, version: str, resources: list[Document]) -> Document:
    named = {"groupVersion": f"{group}/{version}" if group else version}
    return {"kind": "APIResourceList", **({"apiVersion": "v1"} if group else {}), **named, "resources": resources}


def _all_at_once(groups: Mapping[str, Mapping[str, list[Document]]], discovery_version: str) -> Answer:
    items = [
        {
            "metadata": {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None},
            "versions": [
                {"version": version, "resources": _nested(group, version, resources), "freshness": "Current"}
                for version, resources in versions.items()
            ],
        }
        for group, versions in groups.items()
    ]
    return Answer(
        {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{discovery_version}",
            "metadata": {},
            "items": items,
        },
        f"application/json;g=apidiscovery.k8s.io;v={discovery_version};as=APIGroupDiscoveryList",
    )


def _nested(group: str, version: str, resources: Iterable[Document]) -> list[Document]:
    """APIResource documents as APIResourceDiscovery: subresources stand inside their resource."""
    found: dict[str, Document] = {}
    for resource in resources:
        name, _, below = resource["name"].partition("/")
        at = {"group": resource.get("group", group), "version": resource.get("version", version)}
        told = {"responseKind": {**at, "kind": resource["kind"]}, "verbs": resource["verbs"]}
        if below:
            # A subresource may be told without its resource, as pods/log of an aggregated API may be.
            parent = found.setdefault(name, {"resource": name, "scope": _scope(resource), "verbs": []})
            parent.setdefault("subresources", []).append({"subresource": below, **told})
            continue
        extras = {key: resource[key] for key in ("shortNames", "categories") if resource.get(key)}
        main = {"resource": name, "scope": _scope(resource), "singularResource": resource.get("singularName", "")}
        found[name] = {**found.get(name, {}), **main, **told, **extras}
    return list(found.values())


def _scope(resource: Mapping[str, Any]) -> str:
    return "Namespaced" if resource["namespaced"] else "Cluster"
