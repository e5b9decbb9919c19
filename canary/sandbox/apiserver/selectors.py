"""Label and field selectors.

Sources: Kubernetes, "Labels and Selectors" and "Field Selectors".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from canary.sandbox.apiserver.objects import Object, dig, meta
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.status import bad_request

Predicate = Callable[[Object], bool]

_SET = re.compile(r"\s*([^\s,()!=]+)\s+(in|notin)\s*\(([^)]*)\)\s*")
_EQUALITY = re.compile(r"\s*([^\s,()!=]+)\s*(==|=|!=)\s*([^\s,()!=]*)\s*")
_EXISTS = re.compile(r"\s*(!?)\s*([^\s,()!=]+)\s*")
_COMPARE = re.compile(r"\s*([^\s,()!=<>]+)\s*([<>])\s*(-?\d+)\s*")


def _labels(obj: Object) -> dict[str, Any]:
    labels = meta(obj).get("labels")
    return labels if isinstance(labels, dict) else {}


def _in(key: str, values: frozenset[str]) -> Predicate:
    return lambda obj: _labels(obj).get(key) in values


def _not_in(key: str, values: frozenset[str]) -> Predicate:
    return lambda obj: _labels(obj).get(key) not in values


def _exists(key: str, wanted: bool) -> Predicate:
    return lambda obj: (key in _labels(obj)) is wanted


def _compare(key: str, sign: str, bound: int) -> Predicate:
    def holds(obj: Object) -> bool:
        text = str(_labels(obj).get(key, ""))
        if not re.fullmatch(r"-?\d+", text):
            return False
        return int(text) > bound if sign == ">" else int(text) < bound

    return holds


def _requirement(text: str, position: int) -> tuple[Predicate, int]:
    if match := _SET.match(text, position):
        values = frozenset(part.strip() for part in match[3].split(","))
        return (_in if match[2] == "in" else _not_in)(match[1], values), match.end()
    if match := _COMPARE.match(text, position):
        return _compare(match[1], match[2], int(match[3])), match.end()
    if match := _EQUALITY.match(text, position):
        return (_not_in if match[2] == "!=" else _in)(match[1], frozenset((match[3],))), match.end()
    if match := _EXISTS.match(text, position):
        return _exists(match[2], not match[1]), match.end()
    raise bad_request(f"unable to parse requirement: found '{text[position:]}', expected: identifier")


def label_selector(text: str) -> Predicate | None:
    """The predicate of a label selector; `None` when it selects everything. Raises `Refused` for a bad one."""
    predicates = []
    position = 0
    while position < len(text.rstrip()):
        predicate, position = _requirement(text, position)
        predicates.append(predicate)
        if position < len(text):
            if text[position] != ",":
                raise bad_request(f"unable to parse requirement: found '{text[position]}', expected: ',' or end")
            position += 1
            if not text[position:].strip():
                raise bad_request("found '', expected: identifier after ','")
    if not predicates:
        return None
    return lambda obj: all(predicate(obj) for predicate in predicates)


_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
# Field labels beyond metadata.name and metadata.namespace, by storage; the values are paths in the storage version.
_FIELDS: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {
    ("", "pods"): {
        "spec.nodeName": ("spec", "nodeName"),
        "spec.restartPolicy": ("spec", "restartPolicy"),
        "spec.schedulerName": ("spec", "schedulerName"),
        "spec.serviceAccountName": ("spec", "serviceAccountName"),
        "status.phase": ("status", "phase"),
        "status.podIP": ("status", "podIP"),
        "status.nominatedNodeName": ("status", "nominatedNodeName"),
    },
    ("", "events"): {
        **{f"involvedObject.{name}": ("involvedObject", name) for name in _INVOLVED},
        **{f"regarding.{name}": ("involvedObject", name) for name in _INVOLVED},
        "reason": ("reason",),
        "type": ("type",),
        "source": ("source", "component"),
        "reportingComponent": ("reportingComponent",),
        "reportingController": ("reportingComponent",),
    },
    ("", "namespaces"): {"status.phase": ("status", "phase")},
    ("", "secrets"): {"type": ("type",)},
    ("", "services"): {"spec.clusterIP": ("spec", "clusterIP"), "spec.type": ("spec", "type")},
    ("", "nodes"): {"spec.unschedulable": ("spec", "unschedulable")},
    ("apps", "replicasets"): {"status.replicas": ("status", "replicas")},
    ("batch", "jobs"): {"status.successful": ("status", "succeeded")},
}


def _field_path(kind: ResourceType, label: str) -> tuple[str, ...]:
    if label in ("metadata.name", "metadata.namespace"):
        return tuple(label.split("."))
    path = _FIELDS.get(kind.storage, {}).get(label)
    if path is None:
        path = selectable_fields(kind).get(label)
    if path is None:
        raise bad_request(f"field label not supported: {label}")
    return path


def selectable_fields(kind: ResourceType) -> dict[str, tuple[str, ...]]:
    """The selectableFields of a CRD version: label to path."""
    return {path.lstrip("."): tuple(path.lstrip(".").split(".")) for path in kind.selectable}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _field(path: tuple[str, ...], wanted: str, equal: bool) -> Predicate:
    return lambda obj: (_text(dig(obj, path)) == wanted) is equal


def field_selector(kind: ResourceType, text: str) -> Predicate | None:
    """The predicate of a field selector on objects of the storage version; `None` when it selects everything."""
    predicates = []
    for term in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", term)
        if match is None:
            raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
        predicates.append(_field(_field_path(kind, match[1].strip()), match[3], match[2] != "!="))
    if not predicates:
        return None
    return lambda obj: all(predicate(obj) for predicate in predicates)


def combined(*predicates: Predicate | None) -> Predicate | None:
    """The conjunction; `None` stands for everything."""
    present = [predicate for predicate in predicates if predicate is not None]
    if len(present) < 2:
        return present[0] if present else None
    return lambda obj: all(predicate(obj) for predicate in present)


def selects(selector: Object, labels: Mapping[str, Any]) -> bool:
    """Whether a LabelSelector chooses an object with these labels; an empty one chooses everything."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_meets(term, labels) for term in selector.get("matchExpressions") or ())


def _meets(term: Object, labels: Mapping[str, Any]) -> bool:
    key, values = str(term.get("key")), term.get("values") or ()
    match term.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def as_text(selector: Object) -> str:
    """A LabelSelector in the words of a query, its terms in order: `app=web,tier in (a,b)`."""
    words = {key: f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()}
    for term in selector.get("matchExpressions") or ():
        words[term["key"]] = _TERMS[term["operator"]].format(term["key"], ",".join(sorted(term.get("values") or ())))
    return ",".join(words[key] for key in sorted(words))


_TERMS = {"In": "{} in ({})", "NotIn": "{} notin ({})", "Exists": "{}", "DoesNotExist": "!{}"}
