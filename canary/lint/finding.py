"""What a look at a manifest finds: where, how bad, by which rule, and in words."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """An error is refused by the API server or the controller, a warning will not do what it seems to, a note tells."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Place(msgspec.Struct, frozen=True, order=True):
    """Where in a file: lines and columns count from 1, columns in characters.

    `end_column` is behind the last character when all of it is on one line, and 0 when that is not known.
    """

    line: int = 1
    column: int = 1
    end_column: int = 0


class Finding(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One finding. `rule` is an id of `canary.lint.rules`, `field` a path such as `spec.steps[0].hold`, or empty.

    `suggestion` is what was probably meant, and `canary` the object, `namespace/name`, where it has a name.
    """

    file: str
    place: Place
    level: Level
    rule: str
    field: str = ""
    message: str
    suggestion: str = ""
    canary: str = ""

    @property
    def sentence(self) -> str:
        """The field, the message and the suggestion."""
        about = f"{self.field}: " if self.field else ""
        hint = f"; did you mean `{self.suggestion}`?" if self.suggestion else ""
        return f"{about}{self.message}{hint}"
