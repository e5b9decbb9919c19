"""Which form of an answer a client accepts.

Source: RFC 9110, 12.5.1, as Kubernetes reads it: the first form in the list that can be served, whatever its weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

Form: TypeAlias = Literal["plain", "table", "discovery"]
_ANY = frozenset({"application/json", "application/*", "*/*"})


def form_of(accept: str, *forms: Form) -> Form | None:
    """The first of `forms` that `accept` names; `None` when it names none. An empty `accept` means plain JSON."""
    if not accept.strip():
        return "plain" if "plain" in forms else None
    return next((form for form in _named(accept) if form in forms), None)


def _named(accept: str) -> Iterator[Form]:
    for part in accept.split(","):
        kind, *parameters = (word.strip() for word in part.split(";"))
        if kind.lower() not in _ANY:
            continue
        said = dict(word.split("=", 1) for word in parameters if "=" in word)
        match said.get("as"), said.get("g"), said.get("v"):
            case None, _, _:
                yield "plain"
            case "Table", "meta.k8s.io", "v1":
                yield "table"
            case "APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2":
                yield "discovery"
