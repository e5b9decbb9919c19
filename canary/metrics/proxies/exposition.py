"""The Prometheus text format, version 0.0.4: only the lines of wanted metrics are looked at.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details. Stricter than it in one thing:
a line begins with the metric's name, since no proxy indents.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from math import inf, isfinite

MAX_LINES = 10_000
"""Lines of one metric beyond which a body is taken for nonsense."""

_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_LABEL = rb'([a-zA-Z_][a-zA-Z0-9_]*+)[ \t]*+=[ \t]*+"((?:[^"\\\n]|\\[\\"n])*+)"[ \t]*+'
_LABELS = rb"\{[ \t]*+(?:" + _LABEL + rb",?+[ \t]*+)*+\}"
_SERIES = re.compile(_NAME + rb"[ \t]*+(?:" + _LABELS + rb")?+")
_SAMPLE = re.compile(
    rb"(?P<series>" + _SERIES.pattern + rb")[ \t]*+(?<=[} \t])(?P<value>[^ \t]++)(?:[ \t]++-?[0-9]++)?+[ \t\r]*+"
)
_PAIR = re.compile(_LABEL + rb"(,?)")
_ESCAPE = re.compile(rb"\\(.)")
_PLAIN = {b"n": b"\n", b"\\": b"\\", b'"': b'"'}
_START = re.compile(rb"[\s]*+(?:#|" + _NAME + rb"[ \t{])")


class Malformed(ValueError):
    """A body is not what it should be. The message is a part of a sentence: `the answer …`, without a full stop."""


def check(body: bytes) -> None:
    """Whether this can be the text format at all, and in full. Raises `Malformed`. A body without a byte can be."""
    if not body:
        return
    if not _START.match(body):
        raise Malformed(f"the answer is no metrics in the text format; it begins with {_shown(body)}")
    if not body.endswith(b"\n"):
        raise Malformed("the answer breaks off in the middle of a line")


def samples(body: bytes, name: bytes) -> list[tuple[bytes, bytes]]:
    """The lines of the metric `name` in a checked body: the series (name and labels as they stand), and the value.

    Values are texts still, for `numbers`. Raises `Malformed` for a line of this metric that cannot be split so.
    """
    found: list[tuple[bytes, bytes]] = []
    # With what may follow a name in the needle, metrics whose names begin with this one cost nothing.
    for after in (b"{", b" ", b"\t") if b"\t" in body else (b"{", b" "):
        needle = b"\n" + name + after
        beginning = needle[1:]
        first = 0 if body.startswith(beginning) else body.find(needle) + 1 or -1
        if first < 0:
            continue
        # Lines of one metric stand together: what is between the first and the last of them is all wanted, or little.
        block = body[first : body.find(b"\n", body.rfind(needle) + 1)]
        if block.count(b"\n") >= MAX_LINES:
            raise Malformed(f"the answer has more than {MAX_LINES} lines of {name.decode()}")
        for line in block.split(b"\n"):
            if line.startswith(beginning):
                series, _, value = line.rpartition(b" ")
                # A series that ends with a bracket was split rightly: a timestamp would leave the value at its end.
                found.append((series, value) if series[-1:] == b"}" and value else _split(line))
    return found


def numbers(texts: Sequence[bytes]) -> array[float]:
    """The values of counters: finite and not negative. Raises `Malformed`."""
    try:
        values = array("d", map(float, texts))
    except ValueError:
        values = array("d")
    # At once where that is enough: Python allows 1_000, and a sum is not finite where one of its parts is not.
    read = len(values) == len(texts) and b"_" not in b"".join(texts)
    if read and min(values, default=0.0) >= 0 and isfinite(sum(values)):
        return values
    for text in texts:
        if not _is_count(text):
            raise Malformed(f"the answer has {_shown(text)} where a count should be")
    return values


def _is_count(text: bytes) -> bool:
    try:
        return b"_" not in text and 0.0 <= float(text) < inf
    except ValueError:
        return False


def labels(series: bytes) -> dict[str, str]:
    """The labels of a series as `samples` returned it. Raises `Malformed`, also for a label that occurs twice."""
    if not _SERIES.fullmatch(series):
        raise Malformed(f"the answer has a malformed line: {_shown(series)}")
    start = series.find(b"{")
    pairs = _PAIR.findall(series, start) if start >= 0 else []
    if any(not comma for _, _, comma in pairs[:-1]):
        raise Malformed(f"the answer has a malformed line: {_shown(series)}")
    found = {name.decode(): _unescaped(value) for name, value, _ in pairs}
    if len(found) != len(pairs):
        raise Malformed(f"the answer has a label twice: {_shown(series)}")
    return found


def _split(line: bytes) -> tuple[bytes, bytes]:
    """The slow way, for lines with a timestamp, tabs or no labels."""
    match = _SAMPLE.fullmatch(line)
    if match is None:
        raise Malformed(f"the answer has a malformed line: {_shown(line)}")
    return match["series"].rstrip(b" \t"), match["value"]


def _unescaped(value: bytes) -> str:
    if b"\\" in value:
        value = _ESCAPE.sub(lambda match: _PLAIN[match[1]], value)
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"the answer has a label that is not UTF-8: {_shown(value)}") from error


def _shown(text: bytes) -> str:
    return repr(text[:80].decode(errors="replace"))
