"""The documents of a file, each by itself: one that is broken hides no other.

As in kubectl, a line that begins with `---` separates. In YAML no scalar can hold such a line, so that looking at lines
is enough (YAML 1.2.2, "Document Markers").
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

import msgspec

from canary.lint.finding import Place

_MARKER = re.compile(r"^(?=---(?:\s|$))", re.MULTILINE)
_EMPTY = re.compile(r"(?:---)?(?:[ \t\r]*(?:#[^\n]*)?\n|%[^\n]*\n|[ \t\r]*(?:#[^\n]*)?\Z)*")


class Part(msgspec.Struct, frozen=True):
    """One document; `start` is how many characters of the file stand before it."""

    text: str
    start: int


def parts_of(text: str) -> Iterator[Part]:
    """The documents that are more than comments. Directives belong to the document behind them."""
    starts = [0, *(match.start() for match in _MARKER.finditer(text) if match.start())]
    held = 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[held:end]
        if not _EMPTY.fullmatch(part):
            yield Part(part, held)
        elif start == held and "%" in part:
            continue  # held back for what follows
        held = end


class Lines:
    """Finds line and column of a character."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))][:-1]
        self._length = len(text)

    def place(self, start: int, end: int = 0) -> Place:
        """The place of the characters from `start` up to `end`, counted from the beginning of the file."""
        start = min(max(start, 0), self._length)
        line = bisect_right(self._starts, start)
        same = start < end <= self._length and bisect_right(self._starts, end) == line
        column = start - self._starts[line - 1] + 1
        return Place(line, column, column + end - start if same else 0)
