"""Other programs' words, as they may stand in a condition or an event: one line, bounded, without credentials."""

from __future__ import annotations

import re
from typing import Any

_HIDDEN = "[redacted]"
_READ = 2048
"""Characters that are looked at: as much as the kubelet takes of a log for a termination message."""
_URL_QUERY = re.compile(r"(?P<kept>\b[a-z][a-z0-9+.-]*://[^\s?\"'<>]+)\?[^\s\"'<>]+", re.IGNORECASE)
# Everything from // to the last @ of the authority: passwords may hold an @ themselves.
_URL_USER = re.compile(r"(?P<kept>://)[^\s/\"'<>]+(?=@)")
_SCHEME = re.compile(r"\b(?P<kept>(?:bearer|basic) +)(?!realm\b)[\w.~+/=-]{6,}", re.IGNORECASE)
# RFC 7519; both the header and the claims begin with the base64 of `{"`.
_JWT = re.compile(r"(?P<kept>)\beyJ[\w-]+\.[\w-]+\.[\w-]*")
_TOLD = (_URL_QUERY, _URL_USER, _SCHEME, _JWT)

_NAMES = (
    r"(?:pass(?:words?|wd|phrase)?|pwd|secrets?|tokens?|credentials?|(?:api|access|private)[-_]?keys?)"
    # `DB_PASSWORD_1` and `tokenValue`, but no tokenizer.
    r"(?-i:(?![a-z]))[\w.-]{0,40}"
)
_OWN = (
    re.compile(r"(?P<kept>\bauthorization\\?[\"']? *[:=] *).+", re.IGNORECASE),
    re.compile(rf"(?P<kept>--[\w-]{{0,40}}?{_NAMES} +)[^\s-]\S*", re.IGNORECASE),
    re.compile(rf"(?P<kept>{_NAMES}\\?[\"']? *(?:=>|[:=]) *)(?:\"[^\"]*\"?|'[^']*'?|\S+)", re.IGNORECASE),
)


def quoted(text: Any, limit: int, *, own: bool = False) -> str:
    """`text` on one line, of at most `limit` characters, with `[redacted]` in place of what looks like a credential.

    Users, passwords and queries in URLs, bearer tokens and JWTs always; in an application's `own` words, which may be
    the end of its log (`terminationMessagePolicy: FallbackToLogsOnError`), also whatever is assigned to a name like
    `password`. The control plane's words have such names before a colon and no secret behind it.
    """
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[:_READ]).split())
    for pattern in (*_TOLD, *_OWN) if own else _TOLD:
        line = pattern.sub(rf"\g<kept>{_HIDDEN}", line)
    return bounded(line, limit)


def bounded(line: str, limit: int) -> str:
    """`line`, cut to `limit` characters, with an ellipsis where it was cut."""
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def last_line(text: Any) -> str:
    """The last line of `text` that says something: of a stack trace the one with the error."""
    lines = [line for line in text.splitlines() if line.strip()] if isinstance(text, str) else []
    return lines[-1] if lines else ""
