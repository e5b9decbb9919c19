"""What was probably meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from canary.api.crd import schema


def close_to(word: str, words: Sequence[str]) -> str:
    """The one of `words` that looks most like `word`, whatever its case; empty when none does."""
    lower = {each.lower(): each for each in reversed(words)}
    found = get_close_matches(word.lower(), lower, n=1, cutoff=0.7)
    return lower[found[0]] if found else ""


def field_named(name: str) -> str:
    """The only or shortest path of the spec to a field of that name, such as `spec.analysis.interval`; else empty."""
    found = [path for leaf, path in _fields() if leaf == name]
    return min(found, key=len, default="")


@cache
def _fields() -> tuple[tuple[str, str], ...]:
    return tuple(_below(schema()["properties"]["spec"], "spec"))


def _below(part: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for name, child in part.get("properties", {}).items():
        yield name, f"{path}.{name}"
        yield from _below(child, f"{path}.{name}")
    if "items" in part:
        yield from _below(part["items"], f"{path}[]")
