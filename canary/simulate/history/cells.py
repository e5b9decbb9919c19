"""The rows of a CSV file: texts to numbers, and an error with line and column for what can be none."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import nan

from canary.simulate.history.columns import BadHeader, Columns, columns
from canary.simulate.history.moments import moment
from canary.simulate.history.record import HistoryError

MOST_ROWS = 1_000_000
MOST = 1e12
"""Requests beyond which a count is taken for nonsense."""
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_UNKNOWN = ("", "-", "na", "n/a", "null", "none")


class BadFile(HistoryError):
    """A file has something that cannot be metrics; the message names file, line and column."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the file, its time in Unix seconds, and a number for each column.

    A cell without a value is `None`, one that says NaN is NaN.
    """

    line: int
    time: float
    cells: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by ascending time, each time once. `where` is the name of the file."""

    where: str
    columns: Columns
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def error(self, row: Row, column: int, words: str) -> BadFile:
        return BadFile(f"{self.where}: line {row.line}, column {self.columns.names[column]}: {words}")


def table(text: str, where: str) -> Table:
    """The table in the text of a CSV file (RFC 4180); `where` names it in messages. Raises `BadFile`."""
    lines = _lines(text.removeprefix("\ufeff"), where)
    line, header = next(lines, (1, []))
    try:
        found = columns(header) if header else None
    except BadHeader as error:
        raise BadFile(f"{where}: line {line}: {error}") from None
    if found is None:
        raise BadFile(f"{where}: line 1: the file is empty; its first line names the columns")
    rows = [_row(where, found, number, cells) for number, cells in lines]
    if len(rows) < 2:
        raise BadFile(f"{where}: at least two rows are needed, and it has {len(rows)}")
    ordered = sorted(rows, key=lambda row: row.time)
    notes = () if ordered == rows else (f"the rows of {where} were not in the order of time, and were put into it",)
    return Table(where, found, _each_once(where, ordered), notes)


def _lines(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that hold something, with their numbers; a cell may span lines, and the last one counts."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
            if reader.line_num > MOST_ROWS:
                raise BadFile(f"{where}: it has more than {MOST_ROWS} lines: export a shorter time, or fewer rows")
    except csv.Error as error:
        raise BadFile(f"{where}: line {reader.line_num}: this is no CSV: {error}") from None


def _row(where: str, columns: Columns, line: int, cells: list[str]) -> Row:
    if len(cells) != len(columns.names):
        raise BadFile(f"{where}: line {line}: it has {len(cells)} cells, and the header {len(columns.names)} columns")
    time = 0.0
    numbers: list[float | None] = []
    for place, text in enumerate(cells):
        try:
            if place == columns.time:
                time = moment(text.strip())
                numbers.append(time)
            else:
                numbers.append(number(text, 100.0 if place == columns.weight else MOST))
        except ValueError as error:
            raise BadFile(f"{where}: line {line}, column {columns.names[place]}: {error}") from None
    return Row(line, time, tuple(numbers))


def number(text: str, most: float) -> float | None:
    """A number from 0 to `most`, NaN, or `None` for a cell without a value. Raises `ValueError` with what is wrong."""
    text = text.strip()
    if text.casefold() in _UNKNOWN:
        return None
    if text.casefold() == "nan":
        return nan
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"must be a number, not {text[:40]!r}")
    found = float(text)
    if found < 0:
        raise ValueError(f"must not be negative, but is {text[:40]}")
    if found > most:
        raise ValueError(f"must be at most {most:g}, but is {text[:40]}")
    return found


def _each_once(where: str, ordered: list[Row]) -> tuple[Row, ...]:
    """Without rows that say the same again."""
    rows: list[Row] = []
    for row in ordered:
        if rows and rows[-1].time == row.time:
            # By their words: NaN is not equal to itself.
            if repr(rows[-1].cells) != repr(row.cells):
                raise BadFile(f"{where}: lines {rows[-1].line} and {row.line} have the same time and other numbers")
            continue
        rows.append(row)
    if len(rows) < 2:
        raise BadFile(f"{where}: at least two rows of different times are needed")
    return tuple(rows)
