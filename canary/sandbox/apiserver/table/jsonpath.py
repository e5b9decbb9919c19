"""The part of JSONPath that printer columns and selectable fields use.

`.spec.weight`, `.metadata.labels['a.b/c']`, `.spec.steps[0]`, `[-1]`, `[*]`, `[?(@.type=="Ready")].status`,
`.spec['a','b']`.
Source: Kubernetes, "JSONPath Support" of kubectl.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

Step = Callable[[Any], Iterable[Any]]


class PathError(ValueError):
    """Not a JSONPath, or one that uses more than is supported here."""


_TOKEN = re.compile(
    r"""\.(?P<field>(?:[^.\[\]\\'"]|\\.)+)
      | \[(?P<index>-?\d+)\]
      | \[(?P<every>\*)\]
      | \[(?P<quote>['"])(?P<key>(?:(?!(?P=quote))[^\\]|\\.)*)(?P=quote)\]
      | \[(?P<keys>'[^'\\]*'(?:\s*,\s*'[^'\\]*')+)\]
      | \[\?\(\s*@(?P<path>[^=!<>\s]*)\s*(?P<test>==|!=|<=|>=|<|>)\s*(?P<value>[^)]*?)\s*\)\]
    """,
    re.VERBOSE,
)
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def find(path: str, value: Any) -> list[Any]:
    """Everything in `value` that `path` names, in order. Raises `PathError`."""
    found: Iterable[Any] = [value]
    for step in parse(path):
        found = [each for item in found for each in step(item)]
    return list(found)


@lru_cache(maxsize=512)
def parse(path: str) -> tuple[Step, ...]:
    """The steps of `path`. Raises `PathError`."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise PathError(f"unsupported JSONPath {path!r} at {text[at:]!r}")
        steps.append(_step(token))
        at = token.end()
    return tuple(steps)


def _step(token: re.Match[str]) -> Step:
    if token["field"] is not None:
        return _every if token["field"] == "*" else _field(re.sub(r"\\(.)", r"\1", token["field"]))
    if token["key"] is not None:
        return _field(re.sub(r"\\(.)", r"\1", token["key"]))
    if token["keys"] is not None:
        return _fields(re.findall("'([^']*)'", token["keys"]))
    if token["index"] is not None:
        return _index(int(token["index"]))
    return _every if token["every"] else _filter(token)


def _field(name: str) -> Step:
    return lambda value: [value[name]] if isinstance(value, dict) and name in value else []


def _fields(names: Iterable[str]) -> Step:
    steps = [_field(name) for name in names]
    return lambda value: [found for step in steps for found in step(value)]


def _index(position: int) -> Step:
    def step(value: Any) -> list[Any]:
        inside = isinstance(value, list) and -len(value) <= position < len(value)
        return [value[position]] if inside else []

    return step


def _every(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else []


def _filter(token: re.Match[str]) -> Step:
    inner, test, wanted = parse(token["path"]), _TESTS[token["test"]], _literal(token["value"])

    def step(value: Any) -> Iterator[Any]:
        for item in _every(value):
            found: Iterable[Any] = [item]
            for each in inner:
                found = [part for whole in found for part in each(whole)]
            if any(_holds(test, part, wanted) for part in found):
                yield item

    return step


def _holds(test: Callable[[Any, Any], bool], found: Any, wanted: Any) -> bool:
    try:
        return bool(test(found, wanted))
    except TypeError:
        return False


def _literal(text: str) -> Any:
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1:
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
    except ValueError:
        raise PathError(f"unsupported value {text!r} in a JSONPath filter") from None
