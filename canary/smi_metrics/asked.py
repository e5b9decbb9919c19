"""What a request asks for, read from its path and its query.

Below /apis/metrics.smi-spec.io/v1alpha1, as smi-metrics serves them (package metrics, routes.go):

    /PLURAL                                  list, all namespaces
    /namespaces/NAME                         get one Namespace
    /namespaces/NAME/edges                   list
    /namespaces/NAME/PLURAL[/NAME]           list, get
    /namespaces/NAME/PLURAL/NAME/edges       list

and `?t=<Go duration>` for the window.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from canary.api.duration import parse_nanoseconds
from canary.smi_metrics.kinds import BY_PLURAL, NAMESPACE, PREFIX, Served
from canary.smi_metrics.refusal import Refusal

DEFAULT_WINDOW = 30
MAX_WINDOW = 3600
_SECOND = 1_000_000_000
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Asked:
    """Numbers of the last `seconds`: of one object (`name`), of all, or (`edges`) between an object and the others.

    An empty `namespace` means all namespaces; for a namespace itself it is empty, too. `selector` is a label selector.
    """

    path: str
    served: Served
    seconds: int
    namespace: str = ""
    name: str = ""
    edges: bool = False
    selector: str = ""


def asked(path: str, query: Mapping[str, str]) -> Asked:
    """What a GET of `path` asks for. Raises `Refusal`: 400 for the query, 404 for a path that is not served."""
    served, namespace, name, edges = _object(path)
    if query.get("watch", "") in ("1", "true"):
        raise Refusal(405, "metrics cannot be watched: list them again", kind=served.plural)
    if query.get("fieldSelector"):
        raise Refusal(400, "fieldSelector: metrics have no fields to select by; use labelSelector, or ask for a name")
    selector = query.get("labelSelector", "")
    if selector and name:
        raise Refusal(400, "labelSelector: it selects from a list, and this request names an object")
    return Asked(path, served, _window(query.get("t")), namespace, name, edges, selector)


def _object(path: str) -> tuple[Served, str, str, bool]:
    """The resource, its namespace and name, and whether its edges are meant."""
    match path.removeprefix(PREFIX).strip("/").split("/"):
        case [plural] if plural in BY_PLURAL:
            return BY_PLURAL[plural], "", "", False
        case ["namespaces", name]:
            return NAMESPACE, "", _known(name, _LABEL, "namespaces"), False
        case ["namespaces", name, "edges"]:
            return NAMESPACE, "", _known(name, _LABEL, "namespaces"), True
        case ["namespaces", namespace, plural, *rest] if plural in BY_PLURAL and plural != "namespaces":
            _known(namespace, _LABEL, "namespaces")
            match rest:
                case []:
                    return BY_PLURAL[plural], namespace, "", False
                case [name]:
                    return BY_PLURAL[plural], namespace, _known(name, _NAME, plural), False
                case [name, "edges"]:
                    return BY_PLURAL[plural], namespace, _known(name, _NAME, plural), True
    raise Refusal(404, "the server could not find the requested resource")


def _known(name: str, pattern: re.Pattern[str], plural: str) -> str:
    """`name`, if an object can have it: what is no DNS name stays out of every query."""
    if not pattern.fullmatch(name):
        raise Refusal(404, f"no object of {plural} can be named {name[:64]!r}", kind=plural, name=name[:64])
    return name


def _window(text: str | None) -> int:
    """Seconds of a window; absent, it is that of smi-metrics."""
    if text is None:
        return DEFAULT_WINDOW
    try:
        nanoseconds = parse_nanoseconds(text)
    except ValueError as error:
        raise Refusal(400, f"t: {error}") from None
    if nanoseconds % _SECOND or not 1 <= nanoseconds // _SECOND <= MAX_WINDOW:
        raise Refusal(400, f"t: must be whole seconds from 1s to 1h, not {text}")
    return nanoseconds // _SECOND
