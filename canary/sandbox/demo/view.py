"""Who is shown the demo: a terminal that is drawn anew, or a log that gets one line per change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from canary.sandbox.demo.picture import Picture
from canary.sandbox.demo.scenario import Entry
from canary.sandbox.load import Tally


@dataclass(frozen=True, slots=True)
class Moment:
    """What can be shown: the picture `elapsed` seconds after the start, the rollout that is played, what came before.

    `wall` is the time in Unix seconds. `done` says how the earlier rollouts ended, in order; `requests` are those of
    users, by version.
    """

    elapsed: float
    picture: Picture
    wall: float = 0.0
    scene: Entry | None = None
    done: tuple[str, ...] = ()
    requests: Mapping[str, Tally] = field(default_factory=dict)


class View(Protocol):
    def tell(self, elapsed: float, words: str) -> None:
        """Something that the demo itself has done."""
        ...

    def changed(self, moment: Moment) -> None:
        """The picture is another one; called for every one of them, in order."""
        ...

    def tick(self, moment: Moment) -> None:
        """Time has passed; called several times a second."""
        ...

    def close(self) -> None:
        """Nothing more will be shown."""
        ...
