"""Whose numbers a record holds: the workloads behind the two sides of a Canary."""

from __future__ import annotations

from typing import NamedTuple


class Whose(NamedTuple):
    """Workloads of one `kind` in a namespace; a side may have several."""

    namespace: str
    kind: str
    stable: tuple[str, ...]
    canary: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.stable + self.canary)
