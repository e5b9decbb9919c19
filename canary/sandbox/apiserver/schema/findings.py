"""What a validator found: causes, and how much of the schema matched."""

from __future__ import annotations

from collections.abc import Iterable

from canary.sandbox.apiserver.schema.causes import Cause


class Findings:
    """Causes in order without repetition. `matches` ranks the branches of anyOf and oneOf: the best one is reported."""

    __slots__ = ("causes", "matches")

    def __init__(self, causes: Iterable[Cause] = (), matches: int = 0) -> None:
        self.causes: list[Cause] = list(causes)
        self.matches = matches

    @property
    def valid(self) -> bool:
        return not self.causes

    def add(self, cause: Cause) -> None:
        if cause not in self.causes:
            self.causes.append(cause)

    def merge(self, other: Findings) -> None:
        for cause in other.causes:
            self.add(cause)
        self.matches += other.matches
