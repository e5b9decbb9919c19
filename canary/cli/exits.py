"""How a command ends: exit codes that scripts may rely on, and the one sentence that goes with a failure."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Exit(IntEnum):
    """The exit codes of all commands; they only ever grow. kubectl hands those of a plugin on."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    REACHED = 0, "Done; `wait`: the goal is reached."
    ERROR = 1, "The command was used wrongly or cannot apply, or the API failed."
    FAILED = (
        2,
        "`wait`, `replay`: the rollout was rolled back; `wait`: it is stalled, or ended otherwise; "
        "`lint`: there are errors, or, with `--strict`, warnings.",
    )
    TIMEOUT = 3, "`wait`, `--wait`: the time is over; `replay`: the record ends before the decision."
    NOT_FOUND = 4, "There is no such Canary, or it was deleted meanwhile."
    FORBIDDEN = 5, "The API server does not allow it."
    SUPERSEDED = 6, "`wait --revision`: another revision has taken its place."
    SUSPENDED = 7, "`wait`: spec.suspend is true; with `--fail-on-paused` also any other pause or approval."


class Failure(Exception):
    """Ends a command with `code`; the text is one sentence that says what to do."""

    def __init__(self, text: str, code: Exit = Exit.ERROR) -> None:
        super().__init__(text)
        self.code = code
