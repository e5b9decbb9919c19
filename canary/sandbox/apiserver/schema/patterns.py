"""Patterns in Go's RE2 syntax, searched with Python's `re`.

Source: RE2, "Syntax". The two dialects agree on most of it; what differs is rewritten here, and what RE2 refuses
(look-around, back-references, possessive quantifiers) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache


class PatternError(ValueError):
    """The pattern is not RE2, or uses a part of it that is not supported here."""


_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_SPACES = "\\t\\n\\f\\r "
# Letters after a backslash that mean the same in both dialects.
_SHARED = frozenset("abdfnrtvwBDW")
_REPEAT = re.compile(r"\{\d+(,\d*)?\}")
_HEX = re.compile(r"\\x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))")
_OCTAL = re.compile(r"\\[0-7]{3}|\\0")
_GROUP = re.compile(r"\(\?(?:P?<(\w+)>|([ims]*(?:-[ims]+)?):|([ims]+)\))")
_MAX_REPEAT = 1000


@lru_cache(maxsize=1024)
def search(pattern: str) -> Callable[[str], object]:
    """A function that finds `pattern` anywhere in a text. Raises `PatternError`."""
    translated = _Translation(pattern).run()
    try:
        return re.compile(translated, re.ASCII).search
    except (re.error, OverflowError) as error:
        raise PatternError(f"error parsing regexp: {error}: `{pattern}`") from error


class _Translation:
    """One walk over a pattern, from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []

    def run(self) -> str:
        steps = {"\\": self._escape, "[": self._bracket, "(": self._group, "{": self._brace, "$": self._end}
        while self.at < len(self.pattern):
            step = steps.get(self.pattern[self.at], self._other)
            step()
        return "".join(self.out)

    def _fail(self, what: str) -> PatternError:
        return PatternError(f"error parsing regexp: {what}: `{self.pattern}`")

    def _take(self, length: int, text: str | None = None) -> None:
        self.out.append(self.pattern[self.at : self.at + length] if text is None else text)
        self.at += length

    def _other(self) -> None:
        char, following = self.pattern[self.at], self.pattern[self.at + 1 : self.at + 2]
        if char in "*+?" and following in ("+", "*"):
            raise self._fail("invalid nested repetition operator")
        self._take(1)

    def _end(self) -> None:
        # Python's $ also matches before a last line feed; RE2's, without (?m), does not.
        self._take(1, "$" if re.search(r"\(\?[is]*m", self.pattern) else r"\Z")

    def _brace(self) -> None:
        found = _REPEAT.match(self.pattern, self.at)
        if found is None:
            self._take(1, r"\{")
            return
        if any(int(number) > _MAX_REPEAT for number in re.findall(r"\d+", found[0])):
            raise self._fail("invalid repeat count")
        if self.pattern[self.at + len(found[0]) :][:1] in ("*", "+"):
            raise self._fail("invalid nested repetition operator")
        self._take(len(found[0]))

    def _group(self) -> None:
        if not self.pattern.startswith("(?", self.at):
            self._take(1)
            return
        found = _GROUP.match(self.pattern, self.at)
        if found is None or (found[3] and self.at):
            raise self._fail("invalid or unsupported Perl syntax")
        self._take(len(found[0]), f"(?P<{found[1]}>" if found[1] else None)

    def _escape(self) -> None:
        rest = self.pattern[self.at : self.at + 2]
        if rest == r"\Q":
            literal, _, _ = self.pattern[self.at + 2 :].partition(r"\E")
            self._take(
                len(literal) + (4 if self.pattern.startswith(r"\E", self.at + 2 + len(literal)) else 2),
                re.escape(literal),
            )
        elif rest in _OUTSIDE:
            self._take(2, _OUTSIDE[rest])
        else:
            self._shared_escape()

    def _shared_escape(self, *, shared: frozenset[str] = _SHARED) -> None:
        """An escape that means the same inside and outside brackets."""
        char = self.pattern[self.at + 1 : self.at + 2]
        if (found := _HEX.match(self.pattern, self.at)) is not None:
            self._take(len(found[0]), f"\\U{int(found[1] or found[2], 16):08x}")
        elif (found := _OCTAL.match(self.pattern, self.at)) is not None:
            self._take(len(found[0]), f"\\x{int(found[0][1:], 8):02x}")
        elif char in shared or (char and not char.isalnum()):
            self._take(2)
        else:
            raise self._fail("invalid or unsupported escape sequence")

    def _bracket(self) -> None:
        self._take(1)
        if self.pattern.startswith("^", self.at):
            self._take(1)
        first = True
        while first or not self.pattern.startswith("]", self.at):
            if self.at >= len(self.pattern):
                raise self._fail("missing closing ]")
            self._member()
            first = False
        self._take(1)

    def _member(self) -> None:
        if (found := re.match(r"\[:(\^?)(\w+):\]", self.pattern[self.at :])) is not None:
            if found[1] or found[2] not in _POSIX:
                raise self._fail("invalid or unsupported character class")
            self._take(len(found[0]), _POSIX[found[2]])
        elif self.pattern.startswith(r"\s", self.at):
            self._take(2, _SPACES)
        elif self.pattern[self.at] == "\\":
            self._shared_escape(shared=_SHARED - {"b", "B"})
        elif self.pattern[self.at] in "]&~|[":
            # Escaped: some pairs of these are reserved for set operations in Python.
            self._take(1, "\\" + self.pattern[self.at])
        else:
            self._take(1)


_OUTSIDE = {r"\s": f"[{_SPACES}]", r"\S": f"[^{_SPACES}]", r"\z": r"\Z", r"\A": r"\A"}
