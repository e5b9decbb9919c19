"""A request as the server sees it, and what its path means.

Source: Kubernetes API concepts, "API terminology" and "Resource URIs".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are lower case; `query` holds the last value of each parameter."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    user: str = ""

    @property
    def user_agent(self) -> str:
        return self.headers.get("user-agent", "")

    def flag(self, name: str) -> bool:
        """A boolean parameter as the API server reads it: `true`, `True` and `1` are true, and so is a bare name."""
        return name in self.query and self.query[name] not in ("false", "False", "0", "f", "F")


@dataclass(frozen=True, slots=True)
class Target:
    """What a resource path names: `namespace` and `name` are empty where the path has none."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse_target(path: str) -> Target | None:
    """The resource behind `path`, or `None` for a path of another sort (discovery, health, an unknown one)."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    # /namespaces/NAME, /namespaces/NAME/status and …/finalize are about the Namespace itself.
    is_namespace = group == "" and (len(rest) <= 2 or (len(rest) == 3 and rest[2] in ("status", "finalize")))
    if rest[0] == "namespaces" and len(rest) >= 3 and not is_namespace:
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3:
        return None
    plural, name, subresource = (*rest, "", "")[:3]
    return Target(group, version, plural, namespace, name, subresource)


def verb_of(request: Request, target: Target) -> str:
    """The verb as authorization and audit name it: get, list, watch, create, update, patch, delete, deletecollection.

    An unsupported method gives `""`.
    """
    if request.method in ("GET", "HEAD"):
        if request.flag("watch"):
            return "watch"
        return "get" if target.name else "list"
    if request.method == "DELETE":
        return "delete" if target.name else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(request.method, "")
