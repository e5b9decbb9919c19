"""What one process keeps for one Canary between two looks. All of it can be lost without harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from canary.api.canary import Canary, CanarySpec, CanaryStatus
from canary.api.fields import RootServiceName
from canary.api.names import KIND
from canary.api.schema import FieldError
from canary.api.validation import InvalidSpec, load_spec
from canary.controller.managed.findings import Findings
from canary.core.decision import Decision
from canary.core.memory import Memory
from canary.core.observed import Observed, Split
from canary.core.plan import Plan, plan_of
from canary.core.state import State
from canary.kube.store import Key
from canary.kube.token_bucket import Rate, TokenBucket
from canary.traffic.versions import Version

REPAIRS = Rate(burst=10.0, per_second=0.5)
"""How often the split of one Canary is put right: enough for any accident, too little for a fight that nobody wins.

A webhook that changes every write, or a program that puts its own weights back at once, makes each write the reason for
the next.
"""
TAKEOVERS = Rate(burst=1.0, per_second=0.5)
"""How often one process decides after another one has, while nothing is urgent.

Two that see different things, one of them late, would otherwise undo each other's writes as fast as they can.
"""


class _PeekTarget(msgspec.Struct, frozen=True):
    name: str = ""


class _PeekManaged(msgspec.Struct, frozen=True, rename="camel"):
    target_ref: _PeekTarget = _PeekTarget()


class _PeekService(msgspec.Struct, frozen=True):
    name: RootServiceName


class _Peek(msgspec.Struct, frozen=True):
    """The one field of an invalid spec that still matters: whose traffic is to be made safe."""

    service: _PeekService


def named_root(canary: Canary) -> str:
    """The root Service that a spec names, also one that is invalid elsewhere; empty when nobody can tell."""
    try:
        return msgspec.json.decode(canary.spec, type=_Peek).service.name
    except msgspec.MsgspecError:
        return ""


def named_target(canary: Canary) -> str:
    """The Deployment that a spec names; empty in services mode, or when nobody can tell."""
    try:
        return msgspec.json.decode(canary.spec, type=_PeekManaged).target_ref.name
    except msgspec.MsgspecError:
        return ""


@dataclass(frozen=True, slots=True)
class Told:
    """The last status that was written: over which resourceVersion of the cached Canary, and which one it made."""

    over: str
    made: str
    status: CanaryStatus


@dataclass(frozen=True, slots=True)
class Fenced:
    """The split as our last write left it: a read of it, later than the Deployments that asked for what is `desired`.

    `guarded` says that the Canary was read before it as well; `at` is monotonic.
    """

    split: Split
    desired: tuple[tuple[str, int], ...]
    guarded: bool
    at: float


def _nothing_wrong(spec: CanarySpec) -> tuple[FieldError, ...]:
    return ()


@dataclass(slots=True)
class Session:
    """`epoch` is the last one this process wrote; `None` means that the Lease must be looked at before a raise.

    `announced` names the last write whose events were sent, `removed` the annotation values that were taken off once.
    `backends` are the Services that were looked at last, `finding` is what the last look found. `check` tells what this
    installation cannot carry out. `spec` is the last valid one, `findings` belong to managed mode.
    """

    key: Key
    uid: str
    began: float = 0.0
    check: Callable[[CanarySpec], tuple[FieldError, ...]] = _nothing_wrong
    memory: Memory = field(default_factory=Memory)
    epoch: int | None = None
    plan: Plan | None = None
    invalid: str = ""
    last_plan: Plan | None = None
    spec: CanarySpec | None = None
    findings: Findings = field(default_factory=Findings)
    fenced: Fenced | None = None
    asked_version: str = "Auto"
    adopt: bool = False
    target: tuple[str, tuple[str, ...], tuple[str, ...]] | None = None
    version: Version | None = None
    version_problem: str = ""
    version_missing: bool = False
    write_problem: str = ""
    repairs: TokenBucket = field(default_factory=lambda: TokenBucket(REPAIRS))
    takeovers: TokenBucket = field(default_factory=lambda: TokenBucket(TAKEOVERS))
    announced: tuple[str, int] = ("", 0)
    removed: set[str] = field(default_factory=set)
    told: Told | None = None
    status_written_at: float = float("-inf")
    named_root: str = ""
    seen_spec: bytes | None = None
    finding: tuple[Canary, Observed, Decision] | None = None
    backends: frozenset[str] = frozenset()

    @property
    def root(self) -> str:
        """The root Service; also of a spec that is invalid elsewhere. Empty when nobody can tell."""
        plan = self.plan or self.last_plan
        return plan.root if plan else self.named_root

    @property
    def regarding(self) -> str:
        return f"{KIND} {self.key[0]}/{self.key[1]}"

    def read_spec(self, canary: Canary) -> None:
        """Take the plan from the spec; an invalid one leaves the last valid plan in place for what is running."""
        raw = bytes(canary.spec)
        if raw == self.seen_spec:
            return
        self.seen_spec = raw
        self.named_root = named_root(canary)
        try:
            spec = load_spec(canary)
            if errors := self.check(spec):
                raise InvalidSpec(errors)
        except InvalidSpec as error:
            self.plan, self.invalid = None, str(error)
            return
        self.plan = self.last_plan = plan_of(spec)
        self.spec = spec
        self.invalid = ""
        self.asked_version = spec.traffic.api_version
        self.adopt = spec.traffic.adopt
        target = spec.analysis.target
        self.target = None if target is None else (target.kind, (target.stable,), (target.canary,))

    def services(self, state: State | None) -> tuple[str, ...]:
        """The backends whose endpoints matter, those of the spec and those of the state; kept in `backends`."""
        plan = self.plan or self.last_plan
        named = (plan.stable, plan.canary) if plan else ()
        stated = (state.serving, state.canary) if state else ()
        names = tuple(dict.fromkeys(name for name in (*named, *stated) if name))
        self.backends = frozenset(names)
        return names
