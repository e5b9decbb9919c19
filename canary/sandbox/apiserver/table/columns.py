"""Columns of a Table: those of a CustomResourceDefinition, and the parts that built-in kinds share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from canary.sandbox.apiserver.table import ages, jsonpath

Object = Mapping[str, Any]
Cell = Callable[[Object, datetime], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `cell` gives the value for an object at a moment. Priority 0 is always shown, others with -o wide."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    @property
    def definition(self) -> dict[str, Any]:
        """The TableColumnDefinition."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


def creation(obj: Object, now: datetime) -> str:
    return ages.since(obj.get("metadata", {}).get("creationTimestamp"), now)


NAME = Column(
    "Name",
    lambda obj, _now: obj.get("metadata", {}).get("name", ""),
    format="name",
    description="Name must be unique within a namespace.",
)
AGE = Column("Age", creation, description="Time since the object was created.")


def custom_columns(declared: Iterable[Mapping[str, Any]] | None) -> tuple[Column, ...]:
    """NAME and the additionalPrinterColumns of a version; NAME and AGE when it declares none.

    Raises `canary.sandbox.apiserver.table.jsonpath.PathError` for a path that is not supported.
    """
    described = list(declared or ())
    if not described:
        described = [{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]
    return (NAME, *(_custom(column) for column in described))


def _custom(declared: Mapping[str, Any]) -> Column:
    path, kind = declared["jsonPath"], declared.get("type", "string")
    jsonpath.parse(path)

    def cell(obj: Object, now: datetime) -> Any:
        found = jsonpath.find(path, obj)
        return _converted(kind, found[0], now) if found else None

    return Column(
        declared["name"],
        cell,
        type=kind,
        format=declared.get("format", ""),
        description=declared.get("description") or f"Custom resource definition column (in JSONPath format): {path}",
        priority=declared.get("priority", 0),
    )


def _converted(kind: str, value: Any, now: datetime) -> Any:
    """A cell of the declared type, or None when the value has another one."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    match kind:
        case "string":
            return _text(value)
        case "integer":
            return int(value) if number else None
        case "number":
            return float(value) if number else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return ages.since(value, now) if isinstance(value, str) else None
    return None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def dig(value: Any, *path: str) -> Any:
    """The value at `path`, or None."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def listed(values: Iterable[str], limit: int = 3) -> str:
    """`a,b,c + 2 more...`, or `<none>`."""
    every = list(values)
    if not every:
        return "<none>"
    more = f" + {len(every) - limit} more..." if len(every) > limit else ""
    return ",".join(every[:limit]) + more


def labels(value: Mapping[str, Any] | None) -> str:
    """`app=web,tier=front`, or `<none>`."""
    return ",".join(f"{key}={item}" for key, item in sorted((value or {}).items())) or "<none>"
