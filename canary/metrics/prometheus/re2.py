"""Regular expressions that Python and Prometheus read alike.

Prometheus has RE2 (https://github.com/google/re2/wiki/Syntax), and matches a label value as a whole. What only one of
the two knows, or what they read differently, is refused: backreferences, lookaround, possessive and atomic groups,
POSIX classes, flags, anchors, named groups, `\\s` and whatever stands for other characters than ASCII.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_REPEAT = 1000
"""RE2 refuses to repeat anything more often."""

_ESCAPED = r"\\[dDwW]|\\[!-/:-@\[-`{-~]"
_TOKEN = re.compile(
    rf"""
      (?P<repeat> (?: [*+?] | \{{ (?P<least>\d+) (?: ,(?P<most>\d*) )? \}} ) \?? )
    | (?P<class> \[ (?! [^\]]*-- ) \^? (?: {_ESCAPED} | [^\\\[\]&|~] )+ \] )
    | (?P<open> \( (?: \?: )? (?! \? ) )
    | (?P<close> \) )
    | (?P<or> \| )
    | (?P<one> {_ESCAPED} | \. | [^\\\[\](){{}}*+?|^$.] )
    """,
    re.VERBOSE | re.ASCII,
)
_QUOTED = str.maketrans({character: f"\\{character}" for character in r"\.+*?()|[]{}^$"})


class NotPortable(ValueError):
    """The two would not read this expression alike; the message says from where on."""


@lru_cache(maxsize=1024)
def compiled(regex: str) -> re.Pattern[str]:
    """Python's form of an expression that means the same to Prometheus. Raises `NotPortable`."""
    position = 0
    repeated = True  # nothing stands before the first token that could be repeated
    while position < len(regex):
        token = _TOKEN.match(regex, position)
        if token is None:
            raise NotPortable(f"{regex[position:][:20]!r} is not what Python and RE2 read alike")
        kind = token.lastgroup
        if token["repeat"] and (repeated or _too_often(token)):
            raise NotPortable(f"{token[0]!r} repeats nothing, a repetition, or more than {MAX_REPEAT} times")
        repeated = bool(token["repeat"]) or kind in ("open", "or")
        position = token.end()
    try:
        return re.compile(regex, re.ASCII | re.DOTALL)
    except re.error as error:
        raise NotPortable(f"{regex[:64]!r} is no regular expression: {error}") from error


def quoted(text: str) -> str:
    """An expression that matches exactly `text`."""
    return text.translate(_QUOTED)


def is_literal(regex: str) -> bool:
    """The expression matches itself and nothing else."""
    return regex == quoted(regex)


def _too_often(token: re.Match[str]) -> bool:
    return any(int(count) > MAX_REPEAT for count in (token["least"], token["most"]) if count)
