"""The Table itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from canary.sandbox.apiserver.table.columns import Column


def render(
    columns: Sequence[Column],
    objects: Iterable[Mapping[str, Any]],
    *,
    now: datetime,
    metadata: Mapping[str, Any] | None = None,
    include: str = "Metadata",
    headers: bool = True,
) -> dict[str, Any]:
    """A meta.k8s.io/v1 Table, one row for each object, with the ages at `now`.

    `metadata` is that of the list (resourceVersion, continue); `include`, the parameter includeObject, says what a row
    carries beside its cells: None, Metadata or Object. A watch sends `headers` with its first event only.
    """
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(metadata or {}),
        "columnDefinitions": [column.definition for column in columns] if headers else [],
        "rows": [_row(columns, each, now, include) for each in objects],
    }


def _row(columns: Sequence[Column], obj: Mapping[str, Any], now: datetime, include: str) -> dict[str, Any]:
    row: dict[str, Any] = {"cells": [column.cell(obj, now) for column in columns]}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        row["object"] = {**partial, "metadata": obj.get("metadata", {})}
    return row
