"""Label selectors: what they select, and the same over the labels of the other side.

Source: Kubernetes, "Labels and Selectors".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

JSON = dict[str, Any]


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector (matchLabels, matchExpressions) selects `labels`: none selects nothing, an empty one all.

    An unknown operator selects nothing.
    """
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression.get("key", ""), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def relabelled(selector: Mapping[str, Any], key: str, old: str, new: str) -> JSON:
    """A copy of a LabelSelector in which the value `old` of `key` is `new`, wherever it stands."""
    result = dict(selector)
    if (selector.get("matchLabels") or {}).get(key) == old:
        result["matchLabels"] = selector["matchLabels"] | {key: new}
    if selector.get("matchExpressions"):
        result["matchExpressions"] = [_renamed(item, key, old, new) for item in selector["matchExpressions"]]
    return result


def _renamed(expression: Mapping[str, Any], key: str, old: str, new: str) -> JSON:
    result = dict(expression)
    if expression.get("values"):
        values = expression["values"]
        result["values"] = [new if expression.get("key") == key and value == old else value for value in values]
    return result
