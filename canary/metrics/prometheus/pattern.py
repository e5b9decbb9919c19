"""Patterns that find a namespace and a name in the value of one label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise

from canary.metrics.prometheus.re2 import quoted

WHOLE = "{name}"
"""The pattern of a label whose value is the name."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# Names of Kubernetes objects: RFC 1123 subdomains; a namespace is a label and has no dot.
_NAMESPACE = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAME = "[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?"
# A port is a number, or has a name of at most 15 characters (RFC 6335): nothing that is longer, such as a digest.
_PORT = "[a-z0-9]{1,15}"
_KNOWN = ("namespace", "name", "port", "any")
_IN_A_NAMESPACE = re.compile(r"[-a-z0-9]*")


class BadPattern(ValueError):
    """The pattern does not say where the name is; the message says why."""


@lru_cache(maxsize=256)
def check(pattern: str) -> None:
    """Raises `BadPattern`."""
    if not (pattern.isascii() and pattern.isprintable()):
        raise BadPattern("only printable ASCII is allowed")
    parts = list(_parts(pattern))
    names = [text for text, placeholder in parts if placeholder]
    for name in names:
        if name not in _KNOWN:
            raise BadPattern(f"{{{name}}} is unknown; there are {{namespace}}, {{name}}, {{port}} and {{any}}")
    if names.count("name") != 1:
        raise BadPattern("{name} must occur exactly once")
    if names.count("namespace") > 1:
        raise BadPattern("{namespace} may occur once")
    if any("{" in text or "}" in text for text, placeholder in parts if not placeholder):
        raise BadPattern("a brace that belongs to no placeholder")
    for (_, left), (_, right) in pairwise(parts):
        if left and right:
            raise BadPattern("text must stand between two placeholders")


def has_namespace(pattern: str) -> bool:
    return "{namespace}" in pattern


def is_ambiguous(pattern: str) -> bool:
    """Where the namespace ends and the name begins cannot be told: `a-b-c` may be b-c of a, or c of a-b."""
    if not has_namespace(pattern):
        return False
    first, last = sorted((pattern.index("{namespace}"), pattern.index("{name}")))
    between = pattern[pattern.index("}", first) + 1 : last]
    return _IN_A_NAMESPACE.fullmatch(between.replace("{any}", "").replace("{port}", "")) is not None


def regex(pattern: str, *, namespace: str = "", names: Iterable[str] = ()) -> str:
    """A regular expression for the values whose namespace and name are those, or any where none are given.

    Its groups are the placeholders {namespace} and {name}, in the order of the pattern; see `groups`.
    """
    known = [quoted(name) for name in names]
    parts = list(_parts(pattern))
    written = []
    for index, (text, placeholder) in enumerate(parts):
        if not placeholder:
            written.append(quoted(text))
        elif text == "name":
            written.append(f"({'|'.join(known) or _NAME})")
        elif text == "namespace":
            written.append(f"({quoted(namespace) or _NAMESPACE})")
        elif text == "port":
            written.append(_PORT)
        else:
            written.append(_any(parts, index))
    return "".join(written)


def groups(pattern: str) -> dict[str, int]:
    """The number of the group of {namespace} (if it has one) and of {name} in `regex`."""
    captured = [text for text, placeholder in _parts(pattern) if placeholder and text in ("namespace", "name")]
    return {text: number for number, text in enumerate(captured, start=1)}


def _any(parts: list[tuple[str, bool]], index: int) -> str:
    """{any} does not hold the character before it (or, at the start, after it): `web-canary-80` is not port
    `canary-80` of `web` in `{name}-{any}`."""
    if index > 0:
        stop = parts[index - 1][0][-1]
    elif len(parts) > 1:
        stop = parts[1][0][0]
    else:
        return ".+"
    return f"[^{stop if stop.isalnum() else chr(92) + stop}]+"


def _parts(pattern: str) -> Iterator[tuple[str, bool]]:
    """Texts and placeholders, in order."""
    position = 0
    for match in _PLACEHOLDER.finditer(pattern):
        if match.start() > position:
            yield pattern[position : match.start()], False
        yield match[1], True
        position = match.end()
    if position < len(pattern):
        yield pattern[position:], False
