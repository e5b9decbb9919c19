"""The workload of a Canary in managed mode as the log has it, and which decisions a write may rest on."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from typing import Any, NamedTuple

from canary.api.names import CONTROLLER_MANAGER, LEFT_LABEL, OWNER_ANNOTATION, REVISION_ANNOTATION, SEQ_ANNOTATION
from canary.core.state import State
from canary.sandbox.oracle.endpoints import Endpoints
from canary.sandbox.oracle.log import Write, annotations_of

JSON = dict[str, Any]
Key = tuple[str, str]
"""The plural of a resource and the name of an object."""


class Moment(NamedTuple):
    """What was in force from write number `number` on: the split's state, the canary's share, a deletion."""

    number: int
    at: float
    state: State | None
    share: int
    deleting: bool
    split: bool

    @property
    def phase(self) -> str:
        return self.state.phase.value if self.state is not None else ""


def trailing(moments: list[Moment], holds: Callable[[Moment], object]) -> list[Moment]:
    """The last moments without a break of which something holds, the earliest first."""
    return list(takewhile(holds, reversed(moments)))[::-1]


START = Moment(0, 0.0, None, 0, deleting=False, split=False)


@dataclass(slots=True)
class Workload:
    """`settle` is how long proxies may send requests where they sent them before, `patience` how long a deletion waits
    for pods; `deleters` are the user agents of controllers, which deletions have instead of a field manager. `owners`
    are the uids of Canaries of this name. `sized` are the replicas that a controller gave the target last, `made` is
    when each Deployment was made last.

    A write is guarded by the version of its object that was read, and the split is read after that: so it may rest on
    what was in force at any time since the object was written last, and on nothing that was before.
    """

    canary: str
    root: str
    endpoints: Endpoints
    blind: float
    skewed: bool
    deleters: frozenset[str]
    target: str = ""
    uid: str = ""
    owners: set[str] = field(default_factory=set)
    settle: float = 0.0
    patience: float = 0.0
    number: int = 0
    objects: dict[Key, JSON] = field(default_factory=dict)
    written: dict[Key, int] = field(default_factory=dict)
    lost: dict[str, tuple[float, JSON]] = field(default_factory=dict)
    gone: dict[str, tuple[float, JSON]] = field(default_factory=dict)
    made: dict[str, float] = field(default_factory=dict)
    pointed: float = 0.0
    sized: int | None = None
    moments: list[Moment] = field(default_factory=lambda: [START])

    @property
    def stable(self) -> str:
        """The name of the stable Deployment."""
        return f"{self.target}-stable"

    @property
    def backends(self) -> tuple[str, str]:
        """The Services before stable and before the candidate."""
        return f"{self.root}-stable", f"{self.root}-canary"

    @property
    def now(self) -> Moment:
        return self.moments[-1]

    @property
    def decided(self) -> State | None:
        """The last state that there was."""
        return next((moment.state for moment in reversed(self.moments) if moment.state is not None), None)

    @property
    def deleted(self) -> float:
        """Since when the Canary is being deleted."""
        since = trailing(self.moments, lambda moment: moment.deleting)
        return since[0].at if since else self.now.at

    def deployment(self, name: str) -> JSON | None:
        return self.objects.get(("deployments", name))

    def known(self, name: str, at: float) -> JSON | None:
        """The Deployment; one that was deleted too lately for a watch to have told of it, as it was."""
        when, gone = self.gone.get(name, (-math.inf, None))
        return self.deployment(name) or (gone if when > at - self.blind else None)

    def told_of(self, name: str, at: float) -> bool:
        """Whether the Deployment is there, and for so long that every watch has told of it."""
        return self.deployment(name) is not None and self.made.get(name, -math.inf) <= at - self.blind

    def service(self, name: str) -> JSON | None:
        return self.objects.get(("services", name))

    def ours(self, write: Write) -> bool:
        """A controller has written this."""
        return write.manager == CONTROLLER_MANAGER or (write.new is None and write.manager in self.deleters)

    def owned(self, obj: JSON | None) -> bool:
        """It bears the mark of this Canary, or of one of its name that is no more."""
        name, _, uid = annotations_of(obj).get(OWNER_ANNOTATION, "").partition("/")
        return name == self.canary and uid in self.owners

    def left(self, obj: JSON | None) -> bool:
        """A Canary of this name has left it serving, and it is nobody's."""
        labels = ((obj or {}).get("metadata") or {}).get("labels") or {}
        return labels.get(LEFT_LABEL) == self.canary and OWNER_ANNOTATION not in annotations_of(obj)

    def since(self, key: Key) -> list[Moment]:
        """What was in force at any time since an object was written last."""
        number = self.written.get(key, 0)
        first = max((n for n, moment in enumerate(self.moments) if moment.number <= number), default=0)
        return self.moments[first:]

    def pins(self) -> Iterator[JSON]:
        """The templates that are kept."""
        return (obj for (plural, _), obj in self.objects.items() if plural == "controllerrevisions" and self.owned(obj))

    def pin(self, revision: str) -> JSON | None:
        return next((pin for pin in self.pins() if annotations_of(pin).get(REVISION_ANNOTATION) == revision), None)

    def lost_lately(self, at: float) -> dict[str, JSON]:
        """Kept templates, by revision, that somebody has deleted too lately for a watch to have told of it."""
        return {revision: pin for revision, (when, pin) in self.lost.items() if when >= at - self.blind}

    def stamp(self, obj: JSON | None) -> int:
        """The number of the state under which an object was written last."""
        owner, _, number = annotations_of(obj).get(SEQ_ANNOTATION, "").partition("/")
        return int(number) if owner == self.uid and number.isdecimal() else 0

    def selects(self, service: JSON | None) -> str:
        """The name of the Deployment whose pods a Service selects; empty for neither's, or both's."""
        selector = selector_of(service) or {}
        found = [
            name
            for name in (self.target, self.stable)
            if selector and (one := self.deployment(name)) and selector.items() <= labels_of(one).items()
        ]
        return found[0] if len(found) == 1 else ""

    def selected_lately(self, service: JSON | None, at: float) -> bool:
        """Whether it selects pods of a Deployment that was deleted too lately for a watch to have told of it."""
        selector = selector_of(service) or {}
        lately = [one for when, one in self.gone.values() if when > at - self.blind]
        return bool(selector) and any(selector.items() <= labels_of(one).items() for one in lately)

    def note(self, write: Write) -> None:
        """The write has been judged: now it has happened."""
        key = (write.plural, write.name)
        self.number += 1
        self.written[key] = self.number
        if write.plural == "services" and write.name == self.root and selector_of(write.old) != selector_of(write.new):
            self.pointed = write.monotonic
        if (
            key == ("deployments", self.target)
            and self.ours(write)
            and replicas_of(write.old) != replicas_of(write.new)
        ):
            self.sized = replicas_of(write.new)
        if write.plural == "deployments" and write.old is None:
            self.made[write.name] = write.monotonic
        if write.new is not None:
            self.objects[key] = write.new
            return
        gone = self.objects.pop(key, None)
        if write.plural == "deployments" and gone is not None:
            self.gone[write.name] = (write.monotonic, gone)
        if write.plural == "controllerrevisions" and gone is not None and not self.ours(write):
            self.lost[annotations_of(gone).get(REVISION_ANNOTATION, "")] = (write.monotonic, gone)

    def moved(self, at: float, state: State | None, share: int, *, deleting: bool, split: bool) -> None:
        """Something else is in force from now on."""
        self.number += 1
        self.moments.append(Moment(self.number, at, state, share, deleting, split))

    def drained_since(self, unheard: Collection[int]) -> float | None:
        """Since when the canary has no share; `None` while it has one, 0 when it never had any.

        As who has not heard of the moments with the numbers `unheard` has it.
        """
        if self.now.share:
            return None
        began = 0.0
        heard = [moment for moment in self.moments if moment.number not in unheard]
        for before, after in pairwise(heard):
            if before.share and not after.share:
                began = after.at
        return began


def selector_of(service: JSON | None) -> JSON | None:
    return ((service or {}).get("spec") or {}).get("selector")


def labels_of(deployment: JSON) -> dict[str, str]:
    """The labels of its pods."""
    found: dict[str, str] = deployment["spec"]["template"]["metadata"].get("labels") or {}
    return found


def replicas_of(deployment: JSON | None) -> int:
    """What it asks for; 0 when it does not exist."""
    return int(deployment["spec"].get("replicas", 1)) if deployment is not None else 0
