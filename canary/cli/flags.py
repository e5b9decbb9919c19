"""What the options that every command has were given as."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flags:
    """`None` and `False` mean: not given."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    no_color: bool = False
    debug: bool = False

    def over(self, outer: Flags) -> Flags:
        """These flags, and those of `outer` where nothing is given here."""
        given = {f.name: getattr(self, f.name) or getattr(outer, f.name) for f in dataclasses.fields(Flags)}
        return Flags(**given)
