"""Canaries as rows of a table, as names, or as whole objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from rich.text import Text

from canary.api import names
from canary.cli.canaries import View
from canary.cli.terminal import clean
from canary.sandbox.apiserver.table.ages import since

STYLES = {
    "Progressing": "cyan",
    "Promoting": "cyan",
    "Promoted": "green",
    "Idle": "green",
    "RollingBack": "yellow",
    "RolledBack": "red",
    "Invalid": "red",
    "True": "green",
    "False": "red",
}
_GAP = "   "
NONE = "-"


class Format(StrEnum):
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Table:
    """Rows under a header. The widths come from the first rows, so that rows may follow for ever."""

    def __init__(self, *, wide: bool = False, namespaces: bool = False) -> None:
        self._columns = [
            *(["NAMESPACE"] if namespaces else []),
            *("NAME", "READY", "PHASE", "WEIGHT", "STEP", "REVISION", "AGE"),
            *(["TARGET", "MESSAGE"] if wide else []),
        ]
        self._widths: list[int] = []

    def lines(self, views: Iterable[View], now: datetime, *, header: bool = True) -> list[Text]:
        rows = [self.cells(view, now) for view in views]
        shown = [self._columns, *rows] if header else rows
        if not self._widths:
            self._widths = [max(map(len, column)) for column in zip(self._columns, *rows, strict=False)]
        return [self._line(cells) for cells in shown]

    def cells(self, view: View, now: datetime, *, gone: bool = False) -> list[str]:
        """The row of one Canary; `gone` when it was deleted."""
        status = view.status
        ready = view.condition("Ready")
        step = NONE if status.step is None else f"{status.step}/{status.steps}" if status.steps else str(status.step)
        values = {
            "NAMESPACE": view.metadata.namespace,
            "NAME": view.metadata.name,
            "READY": ready.status if ready else NONE,
            "PHASE": "Deleted" if gone else "Deleting" if view.metadata.deletion_timestamp else status.phase or NONE,
            "WEIGHT": NONE if status.canary_weight is None else f"{status.canary_weight}%",
            "STEP": step,
            "REVISION": status.canary_revision or NONE,
            "AGE": since(view.metadata.creation_timestamp, now),
            "TARGET": target(view),
            "MESSAGE": status.message or NONE,
        }
        return [clean(values[column]) for column in self._columns]

    def row(self, cells: Sequence[str]) -> Text:
        """One more line under the header."""
        return self._line(cells)

    def key(self, cells: Sequence[str]) -> tuple[str, ...]:
        """What makes a row worth showing again: everything but its age."""
        return tuple(cell for column, cell in zip(self._columns, cells, strict=True) if column != "AGE")

    def _line(self, cells: Sequence[str]) -> Text:
        line = Text()
        for cell, width in zip(cells, self._widths, strict=True):
            line.append(cell.ljust(width), STYLES.get(cell, ""))
            line.append(_GAP)
        line.rstrip()
        return line


def target(view: View) -> str:
    """The workload, or else the root Service."""
    spec = view.raw.get("spec") or {}
    found = spec.get("targetRef") or spec.get("service") or {}
    return str(found.get("name") or NONE)


def reference(view: View) -> str:
    """The name that kubectl takes for this object in any command."""
    return f"{names.KIND.lower()}.{names.GROUP}/{view.metadata.name}"


def bare(view: View) -> dict[str, Any]:
    """The object as people want to read it: without the bookkeeping of field managers, as kubectl shows it."""
    metadata = {key: value for key, value in view.raw["metadata"].items() if key != "managedFields"}
    return {**view.raw, "metadata": metadata}
