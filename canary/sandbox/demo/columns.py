"""Rows of cells as lines, each column as wide as its widest cell."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

_GAP = "   "


def columns(rows: Sequence[Sequence[Text]]) -> list[Text]:
    """One line per row; all rows have the same number of cells."""
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    return [_line(row, widths) for row in rows]


def _line(row: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, width in zip(row, widths, strict=True):
        line.append_text(cell).append(" " * (width - cell.cell_len) + _GAP)
    line.rstrip()
    return line
