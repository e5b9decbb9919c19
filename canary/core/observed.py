"""What a controller saw of the world, as values: the input of the decision."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

from canary.api.canary import Record
from canary.core.plan import Plan
from canary.core.state import State
from canary.core.workload import Selects, Workload


class Now(msgspec.Struct, frozen=True):
    """One moment: monotonic seconds of this process, and Unix seconds for what other processes read."""

    monotonic: float
    wall: float


class Ownership(StrEnum):
    OURS = "Ours"
    FREE = "Free"
    FOREIGN = "Foreign"


class Backend(msgspec.Struct, frozen=True):
    service: str
    weight: int


class Split(msgspec.Struct, frozen=True):
    """The TrafficSplit as one read returned it.

    `state` is `None` when its annotation is absent or unreadable, `newer` when a newer controller wrote it. `backends`
    are the integers that were there; `malformed` says that they are no two-way split of 100. `editor` is the field
    manager that last wrote them, `tracked` the GitOps tool that manages the object, if any.
    """

    uid: str
    state: State | None = None
    backends: tuple[Backend, ...] = ()
    newer: bool = False
    malformed: bool = False
    terminating: bool = False
    ownership: Ownership = Ownership.OURS
    owner: str = ""
    editor: str = ""
    tracked: str = ""

    def weight_of(self, service: str) -> int:
        return sum(backend.weight for backend in self.backends if backend.service == service)


class Side(msgspec.Struct, frozen=True):
    """One Service and what is ready behind it.

    `known` is false until the endpoints were read once, `watched` while no open watch tells of them. `hashes` are the
    pod hashes of the ready endpoints, sorted, or `None` while they are not known. `ready_at` is when the last of them
    became ready, in Unix seconds. `named` is the revision that all of them run, where the workload itself has one:
    empty for a mixture, or one that nobody asked for.
    """

    service: str
    exists: bool = True
    known: bool = True
    watched: bool = True
    ready: int = 0
    hashes: tuple[str, ...] | None = None
    ready_at: float | None = None
    missing_ports: tuple[int, ...] = ()
    named: str | None = None

    @property
    def revision(self) -> str:
        """A name for what runs here; empty when nothing is ready, the hashes are unknown, or several are mixed."""
        if not self.ready or self.hashes is None:
            return ""
        if self.named is not None:
            return self.named
        if len(self.hashes) != 1:
            return ""
        return revision_name(self.service, self.hashes)

    @property
    def unseen(self) -> bool:
        """What runs here is not known yet, but will be."""
        return not self.known or (self.ready > 0 and self.hashes is None)

    @property
    def gone(self) -> bool:
        """Certainly no ready endpoint: an unknown view is not certain."""
        return self.known and self.ready == 0


def revision_name(service: str, hashes: tuple[str, ...]) -> str:
    """The revision (Service, sorted pod hashes) as a short name: the Service and ten hexadecimal digits."""
    digest = hashlib.sha256(msgspec.json.encode([service, sorted(hashes)])).hexdigest()
    return f"{service}-{digest[:10]}"


class Observed(msgspec.Struct, frozen=True):
    """Everything beside plan and split.

    `plan` is `None` when the spec is invalid, with `invalid` saying why; `last_plan` is the last valid one this process
    knew. `split` is `None` when it does not exist, `split_known` false while nobody can tell. The problems,
    `root_note`, `conflict` and `rival` are sentences, empty when all is well: `version_problem` means that no
    TrafficSplit can be written (`version_missing`: not yet), `rival` that an older Canary has the same root. `live`
    says that the split was read from the API server for this look. `workload` is there in managed mode only.
    `deleted_at` is when the Canary was deleted, in Unix seconds.
    """

    uid: str
    plan: Plan | None
    invalid: str = ""
    last_plan: Plan | None = None
    split: Split | None = None
    split_known: bool = True
    sides: dict[str, Side] = {}
    record: Record = Record()
    command: str = ""
    abort: str = ""
    deleting: bool = False
    root_problem: str = ""
    root_note: str = ""
    target_problem: str = ""
    version_problem: str = ""
    version_missing: bool = False
    conflict: str = ""
    rival: str = ""
    adopt: bool = False
    live: bool = False
    workload: Workload | None = None
    deleted_at: float | None = None

    def side(self, service: str) -> Side:
        """The view of a Service; one that nobody has looked at is unknown."""
        return self.sides.get(service) or Side(service, exists=False, known=False)

    @property
    def depends_on_stable(self) -> bool:
        """Managed mode: traffic may come to the stable copy, which it never did before a split or a root was there."""
        w = self.workload
        if w is None or w.handed_over:
            return False
        return self.split is not None or self.record.seq > 0 or w.root.selects is Selects.STABLE
