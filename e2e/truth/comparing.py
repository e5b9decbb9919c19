"""Where the notes of two servers differ, and how that is said."""

from __future__ import annotations

from difflib import unified_diff
from pprint import pformat
from typing import Any

_ABSENT = "(absent)"
Notes = list[tuple[str, Any]]


def fields(true: Any, said: Any) -> frozenset[str]:
    """The parts in which two notes differ."""
    if not (isinstance(true, dict) and isinstance(said, dict)):
        return frozenset()
    keys = true.keys() | said.keys()
    return frozenset(keys - {key for key in keys if true.get(key, _ABSENT) == said.get(key, _ABSENT)})


def differences(true: Any, said: Any, path: str = "") -> list[str]:
    """Where two notes differ, innermost first."""
    if isinstance(true, dict) and isinstance(said, dict):
        keys = sorted(true.keys() | said.keys(), key=str)
        return [
            line
            for key in keys
            if true.get(key, _ABSENT) != said.get(key, _ABSENT)
            for line in differences(true.get(key, _ABSENT), said.get(key, _ABSENT), f"{path}.{key}")
        ]
    if isinstance(true, list) and isinstance(said, list) and len(true) == len(said):
        pairs = enumerate(zip(true, said, strict=True))
        return [line for i, (a, b) in pairs if a != b for line in differences(a, b, f"{path}[{i}]")]
    if isinstance(true, list) and isinstance(said, list):
        # One of them has something that the other has not: the lines around it say where.
        lines = unified_diff(_lines(true), _lines(said), "real", "fake", n=8, lineterm="")
        return [f"  {path or 'answer'}:", *(f"    {line}" for line in lines)]
    return [
        f"  {path or 'answer'}: real {pformat(true, width=200)}",
        f"  {' ' * len(path)}  fake {pformat(said, width=200)}",
    ]


def _lines(value: Any) -> list[str]:
    return pformat(value, width=200).splitlines()


def apart(true: Notes, said: Notes) -> list[str]:
    """Each answer that differs, under its label."""
    assert [label for label, _ in true] == [label for label, _ in said]
    pairs = zip(true, said, strict=True)
    return ["\n".join([label, *differences(real, fake)]) for (label, real), (_, fake) in pairs if real != fake]
