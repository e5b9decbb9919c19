"""What runs in managed mode, as a model: two Deployments, their Services, and the templates that are kept.

A write takes effect at once, pods come as time passes, pods go at once. Nothing here decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from canary.core.actions import Action, Deed
from canary.core.observed import Side
from canary.core.workload import Candidate, Copy, Root, Selects, Workload

STABLE_SERVICE, CANARY_SERVICE = "shop-stable", "shop-canary"
SERVICES = (f"Service/{STABLE_SERVICE}", f"Service/{CANARY_SERVICE}")


_OBJECTS = {
    Deed.CREATE_STABLE: "stable",
    Deed.WRITE_STABLE: "stable",
    Deed.SCALE_STABLE: "stable",
    Deed.STAMP_STABLE: "stable",
    Deed.SCALE_CANDIDATE: "candidate",
    Deed.RESTORE_CANDIDATE: "candidate",
    Deed.CREATE_ROOT: "root",
    Deed.POINT_ROOT: "root",
    Deed.STAMP_ROOT: "root",
    Deed.POINT_BACKEND: "backend",
}
FENCED = frozenset(_OBJECTS)
"""What moves or starves traffic: written on condition that the object is still the one that was read."""


@dataclass
class Pod:
    """A ready pod: the revision that its labels name, and the one whose configuration it has read."""

    named: str
    read: str


@dataclass
class Deployment:
    """As kubernetes rolls one out with maxUnavailable 0: pods of revisions in `broken` never become ready."""

    revision: str
    replicas: int
    size: int | None = None
    stamp: int = 0
    pods: list[Pod] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    quota: int = 1000
    ready_at: float = 0.0
    drifted: bool = False
    available: bool = True

    def scale(self, replicas: int) -> None:
        self.replicas = replicas
        # The pods of an old template go first.
        self.pods = sorted(self.pods, key=lambda pod: pod.named != self.revision)[:replicas]

    def roll(self, wall: float) -> None:
        wanted = 0 if self.revision in self.broken else min(self.replicas, self.quota)
        new = [pod for pod in self.pods if pod.named == self.revision]
        if len(new) < wanted:
            new += [Pod(self.revision, self.revision) for _ in range(wanted - len(new))]
            self.ready_at = wall
        old = [pod for pod in self.pods if pod.named != self.revision]
        self.pods = [*new, *old[: max(self.replicas - len(new), 0)]]

    @property
    def complete(self) -> bool:
        new = [pod for pod in self.pods if pod.named == self.revision]
        return self.available and len(new) == len(self.pods) == self.replicas


class Cluster:
    """The user's Deployment has four replicas of r1, and the root Service selects them."""

    def __init__(self) -> None:
        self.candidate: Deployment | None = Deployment("r1", 4, size=4)
        self.stable: Deployment | None = None
        self.stable_size = 0
        self.root = Root(exists=True, selects=Selects.CANDIDATE)
        self.backend, self.backend_stamp = Selects.OTHER, 0
        self.pins: set[str] = set()
        self.parts: set[str] = set()
        self.left = False
        self.broken: set[str] = set()
        self.minimum: int | None = None
        self.autoscaled = False
        self.problem: tuple[str, str] | None = None
        self.terminating = False
        self.unknown = ""
        self.versions: dict[str, int] = {}
        self.roll(0.0)

    # What is seen.

    def pods(self, selects: Selects) -> list[Pod]:
        found = {Selects.STABLE: self.stable, Selects.CANDIDATE: self.candidate}.get(selects)
        return found.pods if found is not None else []

    def behind(self, service: str) -> list[Pod]:
        if f"Service/{service}" not in self.parts:
            return []
        return self.pods(self.backend if service == STABLE_SERVICE else Selects.CANDIDATE)

    def sides(self) -> dict[str, Side]:
        return {service: self._side(service) for service in (STABLE_SERVICE, CANARY_SERVICE)}

    def _side(self, service: str) -> Side:
        pods = self.behind(service)
        names = sorted({pod.named for pod in pods})
        selected = self.backend if service == STABLE_SERVICE else Selects.CANDIDATE
        owner = self.candidate if selected is Selects.CANDIDATE else self.stable
        return Side(
            service, exists=f"Service/{service}" in self.parts, ready=len(pods), hashes=tuple(names),
            ready_at=owner.ready_at if owner is not None else None, named=names[0] if len(names) == 1 else "",
        )  # fmt: skip

    def workload(self) -> Workload:
        return Workload(
            "shop", candidate=self._candidate(), stable=self._copy(), root=self.root, backend=self.backend,
            backend_stamp=self.backend_stamp, pins=frozenset(self.pins),
            gaps=tuple(part for part in SERVICES if part not in self.parts), leftovers=self.leftovers,
            left=self.left, problem=self.problem, terminating=self.terminating,
        )  # fmt: skip

    @property
    def leftovers(self) -> tuple[str, ...]:
        pins = (f"ControllerRevision/{revision}" for revision in self.pins)
        return tuple(sorted((*self.parts, *pins)))

    def _candidate(self) -> Candidate | None:
        d = self.candidate
        if d is None:
            return None
        revision = "" if self.unknown else d.revision
        return Candidate(
            "shop", revision, self.unknown, d.replicas, len(d.pods), d.size, minimum=self.minimum, stamp=d.stamp
        )

    def _copy(self) -> Copy | None:
        d = self.stable
        if d is None:
            return None
        return Copy(d.revision, d.drifted, d.replicas, self.stable_size, d.complete, d.stamp, self.autoscaled)

    # What happens by itself.

    def roll(self, wall: float) -> None:
        for deployment in (self.candidate, self.stable):
            if deployment is not None:
                deployment.broken = self.broken
                deployment.roll(wall)

    # What is written.

    def do(self, action: Action) -> None:
        """Raises an assertion where the API server, or the object's own precondition, would refuse."""
        getattr(self, "_" + action.deed.name.lower())(action)
        self.touch(_OBJECTS.get(action.deed, ""))

    def touch(self, name: str) -> None:
        """The object was written: what was prepared on an earlier reading of it conflicts."""
        self.versions[name] = self.versions.get(name, 0) + 1

    def version(self, action: Action) -> tuple[int, int]:
        """Stands for uid and resourceVersion of the object that the action writes."""
        name = _OBJECTS[action.deed]
        return id(getattr(self, name)) if name in ("stable", "candidate") else 0, self.versions.get(name, 0)

    def _fill_gap(self, action: Action) -> None:
        self.parts.add(action.part)
        if action.part == SERVICES[0]:
            self.backend = Selects.STABLE

    def _pin(self, action: Action) -> None:
        assert self.candidate is not None
        assert self.candidate.revision == action.revision
        self._add_pin(action.revision)

    def _add_pin(self, revision: str) -> None:
        self.pins.add(revision)

    def _unpin(self, action: Action) -> None:
        self.pins.remove(action.revision)

    def _create_stable(self, action: Action) -> None:
        assert self.stable is None
        assert action.revision in self.pins
        self.stable = Deployment(action.revision, action.replicas, stamp=action.stamp)
        self.stable_size = action.size
        self.parts.add("Deployment/shop-stable")

    def _write_stable(self, action: Action) -> None:
        assert self.stable is not None
        assert action.revision in self.pins
        self.stable.revision, self.stable.drifted, self.stable.stamp = action.revision, False, action.stamp

    def _scale_stable(self, action: Action) -> None:
        assert self.stable is not None
        self.stable.scale(action.replicas)
        self.stable_size, self.stable.stamp = action.size, action.stamp

    def _stamp_stable(self, action: Action) -> None:
        assert self.stable is not None
        assert self.stable.stamp < action.stamp
        self.stable.stamp = action.stamp

    def _scale_candidate(self, action: Action) -> None:
        assert self.candidate is not None
        self.candidate.scale(action.replicas)
        self.candidate.stamp = action.stamp

    def _restore_candidate(self, action: Action) -> None:
        assert self.candidate is not None
        assert action.revision in self.pins
        self.candidate.revision, self.candidate.stamp = action.revision, action.stamp

    def _create_root(self, action: Action) -> None:
        assert not self.root.exists
        self.root = Root(exists=True, selects=Selects.STABLE, stamp=action.stamp)

    def _point_root(self, action: Action) -> None:
        assert self.root.exists
        self.root = Root(exists=True, selects=action.to, elsewhere=self.root.elsewhere, stamp=action.stamp)

    def _stamp_root(self, action: Action) -> None:
        self._point_root(Action(Deed.POINT_ROOT, to=self.root.selects, stamp=action.stamp))

    def _point_backend(self, action: Action) -> None:
        self.backend, self.backend_stamp = action.to, action.stamp

    def _remove(self, action: Action) -> None:
        self._disown(action)
        if action.part == "Deployment/shop-stable":
            self.stable = None
        elif action.part == SERVICES[0]:
            self.backend = Selects.OTHER

    def _disown(self, action: Action) -> None:
        self.parts.discard(action.part)
        self.pins.discard(action.part.removeprefix("ControllerRevision/"))
