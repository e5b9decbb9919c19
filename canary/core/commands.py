"""What people ask for by annotation: a command for one revision at one time, or an abort.

A value is its own identity: the same text is answered once. Both are bound to a revision, so that a late click cannot
hit the next release.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

MAX_LENGTH = 512


class Verb(StrEnum):
    PROMOTE = "promote"
    PROMOTE_FULL = "promote-full"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    APPROVE = "approve"


class Command(msgspec.Struct, frozen=True):
    verb: Verb
    argument: str
    revision: str
    time: str


class Abort(msgspec.Struct, frozen=True):
    revision: str
    time: str


class Malformed(ValueError):
    """The annotation is not of the documented form; the message says which form is."""


def command_id(value: str) -> str:
    """The identity of a command or abort: the value itself, or a digest of one that is too long to keep."""
    return value if len(value) <= 160 else "sha256:" + hashlib.sha256(value.encode()).hexdigest()


def parse_command(value: str) -> Command:
    """Reads `<verb>[/<arg>]@<revision>@<time>`. Raises `Malformed`."""
    parts = value.split("@")
    if len(parts) != 3 or len(value) > MAX_LENGTH:
        raise Malformed("a command must be of the form <verb>[/<argument>]@<revision>@<time>")
    word, _, argument = parts[0].partition("/")
    try:
        verb = Verb(word)
    except ValueError:
        known = ", ".join(verb.value for verb in Verb)
        raise Malformed(f"{word[:40]!r} is no command; the commands are {known}") from None
    if (verb is Verb.APPROVE) != bool(argument):
        raise Malformed(
            "approve takes the name of an approval: approve/<name>@<revision>@<time>"
            if not argument
            else f"{verb.value} takes no argument"
        )
    return Command(verb, argument, parts[1], parts[2])


def parse_abort(value: str) -> Abort:
    """Reads `[<revision>]@<time>`; text without `@` counts as a time: an abort is never refused for its form."""
    revision, at, time = value.partition("@")
    return Abort(revision, time) if at else Abort("", value)


def format_command(verb: Verb, revision: str, time: str, argument: str = "") -> str:
    """The annotation's value for a command."""
    return f"{verb.value}/{argument}@{revision}@{time}" if argument else f"{verb.value}@{revision}@{time}"
