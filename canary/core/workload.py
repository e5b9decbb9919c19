"""What runs in managed mode, as values: the user's Deployment, our copy of it, and the Services before them.

The user's Deployment is the candidate: it holds what shall be rolled out. The stable copy runs what was promoted.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Selects(StrEnum):
    """Whose pods a Service selects."""

    STABLE = "Stable"
    CANDIDATE = "Candidate"
    OTHER = "Other"


class Candidate(msgspec.Struct, frozen=True):
    """The user's Deployment.

    `revision` names its pod template and tracked configuration; it is empty while that is not known, for the reason in
    `unknown`. `replicas` is what its spec asks for, `pods` how many there are. `size` is the number of replicas that
    somebody but us and an autoscaler has asked for last, `None` when nobody has; `applied_by` is who will ask for it
    again. `minimum` is that of an autoscaler, `None` without one. `stamp` is the number of the state under which we
    wrote it last. `claimed` says that the API server holds a field against whoever applies it, since we wrote it.
    `trouble` says what keeps its pods from being ready, in the words of the container.
    """

    name: str
    revision: str = ""
    unknown: str = ""
    replicas: int = 0
    pods: int = 0
    size: int | None = None
    applied_by: str = ""
    minimum: int | None = None
    stamp: int = 0
    claimed: bool = False
    trouble: str = ""

    @property
    def whole(self) -> int:
        """The replicas that carry all traffic: what was asked for, and no fewer than an autoscaler would keep."""
        return max(self.size or self.replicas, self.minimum or 0, 1)


class Copy(msgspec.Struct, frozen=True):
    """The stable Deployment.

    `revision` is what its template was made from, `drifted` that somebody has changed the template since. `complete`
    says that every pod is of the present template and that enough of them are available. `size` is how many replicas
    carry all the traffic where no autoscaler says so; `replicas` is what the spec asks for now.
    """

    revision: str = ""
    drifted: bool = False
    replicas: int = 0
    size: int = 0
    complete: bool = False
    stamp: int = 0
    autoscaled: bool = False
    trouble: str = ""


class Root(msgspec.Struct, frozen=True):
    """The root Service.

    `elsewhere` says why it is left to others, in words, empty when it is not; `contested` that somebody may put its
    selector back at any time, though we take it. `claimed` is as for the Deployment.
    """

    exists: bool = False
    selects: Selects = Selects.OTHER
    elsewhere: str = ""
    contested: bool = False
    stamp: int = 0
    claimed: bool = False


class Scaler(msgspec.Struct, frozen=True):
    """KEDA's ScaledObject of the user's Deployment. KEDA starts pods from zero, so that it is paused between rollouts.

    `paused` says that we hold it, `theirs` that somebody else does: then it is left alone. `stamp` is the number of the
    state under which we wrote it last.
    """

    paused: bool = False
    theirs: bool = False
    stamp: int = 0


class Workload(msgspec.Struct, frozen=True):
    """Everything behind a Canary in managed mode; a part that is `None` does not exist.

    `pins` are the revisions whose template is kept. `gaps` are the parts of ours, by name, that are absent or differ
    from what they should be, `leftovers` those that exist and go with the Canary, `left` says that one of the
    Services was left serving by a Canary of this name and is nobody's. `backend` is whose pods the stable Service
    selects. `problem` stands in the way of everything, in a word and a sentence; `terminating` means that the whole
    namespace is being deleted; it is `None` while a Canary is, and nobody has looked at its namespace yet.
    """

    target: str
    known: bool = True
    candidate: Candidate | None = None
    stable: Copy | None = None
    scaler: Scaler | None = None
    root: Root = Root()
    backend: Selects = Selects.OTHER
    backend_stamp: int = 0
    pins: frozenset[str] = frozenset()
    gaps: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    left: bool = False
    problem: tuple[str, str] | None = None
    terminating: bool | None = False

    @property
    def least(self) -> int:
        """How many replicas the target keeps while it has no traffic: whoever puts the root's selector back must find
        pods there."""
        return 1 if self.root.contested else 0

    @property
    def handed_over(self) -> bool:
        """No traffic depends on the stable copy any more, or never did."""
        if self.root.exists and self.root.selects is Selects.STABLE:
            return False
        return self.stable is None or self.backend is not Selects.STABLE

    @property
    def root_is_safe(self) -> bool:
        """The root Service selects stable, and nobody else would let it select the user's Deployment again."""
        return self.root.selects is Selects.STABLE and not self.root.elsewhere
