"""From a wish to a write: read live, decide again on what was read, write once.

Down needs the split alone. Up, and everything else that is guarded, also needs the Canary and the endpoints, read
before the split; so does the target of managed mode where the revision that is asked for matters. When state has to be
rebuilt, the Canary is read once more after the split.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from canary.api.canary import Canary
from canary.api.kinds import EndpointSlice, TrafficSplit
from canary.api.manifest import Manifest
from canary.controller.session import Fenced, Session
from canary.controller.telemetry import Telemetry
from canary.controller.watches import CANARIES
from canary.controller.world import SERVICE_NAME_LABEL, World
from canary.core.decide import evaluate
from canary.core.decision import Act, Change, Decision, Direction
from canary.core.memory import trusted_state
from canary.core.observed import Now, Observed
from canary.core.phases import Phase
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.errors import Conflict, KubeError, NotFound
from canary.kube.resources import DEPLOYMENTS, ENDPOINT_SLICES
from canary.traffic.fence import Fence, Live, TooOld
from canary.traffic.view import Owner

VIEW_AGE = 5.0
"""Seconds after which what was read before a raise is too old to raise on."""
MAX_LOOKS = 5
"""How often one reconcile looks again before it lets others work."""


class NotLeading(Exception):
    """Another process holds the Lease: this one must not raise anything."""


class Contested(Exception):
    """Another process has decided since this one did a moment ago: in `wait` seconds it is looked at again."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"another process has written the TrafficSplit since; again in {wait:.1f} s")
        self.wait = wait


class Replaced(Exception):
    """The Canary that the caches show is gone, and another one has its name: its event is on the way."""


class WriteFailed(Exception):
    """A write that is still wanted did not happen; `direction` says how urgent it is."""

    def __init__(self, change: Change, cause: Exception) -> None:
        super().__init__(str(cause))
        self.direction = change.direction
        self.cause = cause


class Look(NamedTuple):
    """One live look: what was read, what was made of it, and what is wanted now."""

    canary: Canary
    live: Live | None
    observed: Observed
    decision: Decision
    guarded: bool
    sliced: bool
    began: float
    wrote: bool = False


def _newer(known: TrafficSplit | None, live: Live | None) -> bool:
    """Whether the split is another one, or another version of it, than the caches had before the Canary was read."""
    if known is None or live is None:
        return known is not None or live is not None
    seen, found = known.metadata, live.object.metadata
    return (seen.uid, seen.resource_version) != (found.uid, found.resource_version)


def _needs_target(wanted: Change) -> bool:
    """Whether the revision that is asked for matters. A raise and a promotion rest on pods that run."""
    return wanted.direction is not Direction.UP and wanted.state.phase not in (Phase.PROMOTING, Phase.PROMOTED)


def _needs_endpoints(session: Session, wanted: Change) -> bool:
    """Whether the write depends on who is ready: in managed mode only one that moves weights does."""
    managed = session.spec is not None and session.spec.target_ref is not None
    return wanted.guarded and (wanted.moves or not managed)


class Actor:
    """`verify` reads the Lease and says whether this process holds it; always true without leader election."""

    def __init__(
        self,
        world: World,
        fence: Fence,
        client: Client,
        *,
        clock: Clock,
        telemetry: Telemetry,
        verify: Callable[[], Awaitable[bool]],
    ) -> None:
        self._world = world
        self._fence = fence
        self._client = client
        self._clock = clock
        self._telemetry = telemetry
        self._verify = verify

    def now(self) -> Now:
        return Now(self._clock.monotonic(), self._clock.now().timestamp())

    async def carry_out(self, session: Session, canary: Canary, owner: Owner, change: Change) -> Look | None:
        """Make `change`, or what has become of the wish for it; `None` when it must be decided anew from the caches.

        Raises `WriteFailed`, `NotLeading`, `Contested`, `Replaced`, or `ResourceGone` when the version is no longer
        served.
        """
        wanted = change
        try:
            for _ in range(MAX_LOOKS):
                guarded, sliced = wanted.guarded, _needs_endpoints(session, wanted)
                look = await self._look(
                    session, canary, owner, guarded=guarded, sliced=sliced, targeted=_needs_target(wanted)
                )
                if look.decision.change is None:
                    return look
                wanted = look.decision.change
                if (wanted.guarded and not look.guarded) or (_needs_endpoints(session, wanted) and not look.sliced):
                    continue
                try:
                    return await self._write(session, owner, look, wanted)
                except (Conflict, TooOld) as error:
                    self._telemetry.refused(session.key, wanted, error)
                    if wanted.direction is not Direction.DOWN:
                        return None
        except KubeError as error:
            self._telemetry.refused(session.key, wanted, error)
            raise WriteFailed(wanted, error) from error
        return None

    async def read(self, session: Session, owner: Owner) -> Live | None:
        """The split as it is now. Raises `ResourceGone` or a `KubeError`."""
        assert session.version is not None  # the caller has chosen one
        return await self._fence.read(session.version, owner)

    async def _look(
        self, session: Session, canary: Canary, owner: Owner, *, guarded: bool, sliced: bool, targeted: bool
    ) -> Look:
        slices: tuple[EndpointSlice, ...] | None = None
        began = self._clock.monotonic()
        known = self._world.split(owner)
        if guarded:
            canary = await self.read_canary(session)
        if guarded and targeted:
            await self.read_target(session)
        if sliced:
            slices = await self._read_slices(session)
        live = await self.read(session, owner)
        split = live.view if live else None
        observed = self._world.observe(session, canary, split, slices=slices, live=True)
        lost = trusted_state(observed, session.memory) is None
        if (lost or (guarded and _newer(known, live))) and not observed.deleting:
            # What the record forbids counts as of after the state was seen missing, or changed since: it may be an old
            # copy that somebody has put back.
            canary = await self.read_canary(session)
            observed = self._world.observe(session, canary, split, slices=slices, live=True)
        session.memory, decision = evaluate(observed, session.memory, (), self.now())
        return Look(canary, live, observed, decision, guarded, sliced, began)

    async def read_canary(self, session: Session) -> Canary:
        """The Canary as it is now, and what it asks for. Raises `Replaced` or a `KubeError`."""
        canary = await self.fetch_canary(session)
        session.read_spec(canary)
        return canary

    async def fetch_canary(self, session: Session) -> Canary:
        """The Canary as it is now: the next look starts from it. Raises `Replaced` or a `KubeError`."""
        namespace, name = session.key
        canary = await self._client.get(CANARIES, name, namespace, type=Canary, attempts=1)
        if canary.metadata.uid != session.uid:
            raise Replaced
        self._world.read_canary(session.key, canary)
        return canary

    async def read_target(self, session: Session) -> None:
        """In managed mode: which revision is asked for. Caches of different age would undo each other's writes.

        Raises a `KubeError`.
        """
        reference = session.spec.target_ref if session.spec is not None else None
        if reference is None:
            return
        namespace, manifests = session.key[0], self._world.manifests
        over = manifests.told(DEPLOYMENTS, namespace, reference.name)
        try:
            found = await self._client.get(
                DEPLOYMENTS, reference.name, namespace, type=Manifest, timeout=5.0, attempts=1
            )
        except NotFound as error:
            if not error.names_object:
                raise
            found = None
        manifests.read(DEPLOYMENTS, (namespace, reference.name), found, over=over)

    async def _read_slices(self, session: Session) -> tuple[EndpointSlice, ...]:
        selector = f"{SERVICE_NAME_LABEL} in ({','.join(sorted(session.backends))})"
        found = await self._client.list(
            ENDPOINT_SLICES, session.key[0], type=EndpointSlice, label_selector=selector, timeout=5.0, attempts=1
        )
        return found.items

    async def _write(self, session: Session, owner: Owner, look: Look, change: Change) -> Look:
        assert session.version is not None
        epoch = await self._epoch(session, look, change)
        if change.direction is Direction.UP:
            expiry = look.began + VIEW_AGE
            expires_at = expiry if change.expires_at is None else min(expiry, change.expires_at)
            change = msgspec.structs.replace(change, expires_at=expires_at)
        desired = self._world.desired_workloads(session)
        live = await self._fence.write(session.version, owner, look.live, change, epoch=epoch)
        if change.act is not Act.DELETE:
            self._world.wrote_split(owner, live.object)
        session.fenced = Fenced(live.view, desired, look.guarded, self._clock.monotonic())
        if change.direction is not Direction.DOWN or change.act is Act.CREATE:
            if look.live is not None and session.epoch not in (None, epoch):
                session.takeovers = session.takeovers.take(self._clock.monotonic())
            session.epoch = epoch
        breach = session.memory.breach()
        since = self._clock.monotonic() - breach.end if breach and change.state.reason == "CheckFailed" else None
        before = look.live.view.state if look.live else None
        self._telemetry.wrote(session.key, change, before=before, after=live.view.state, since_breach=since)
        session.memory, decision = evaluate(
            self._world.observe(session, look.canary, live.view), session.memory, (), self.now()
        )
        return look._replace(live=live, decision=decision, wrote=True)

    async def _epoch(self, session: Session, look: Look, change: Change) -> int:
        """The epoch to write. One that is not this process's own is taken over only by the holder of the Lease."""
        stored = change.state.epoch
        if change.direction is Direction.DOWN and change.act is not Act.CREATE:
            return stored
        if session.epoch == stored and look.live is not None:
            return stored
        # A split that is gone comes back at once: traffic may depend on it.
        present = look.live is not None and session.epoch is not None
        if present and (wait := session.takeovers.wait(self._clock.monotonic())):
            raise Contested(wait)
        if not await self._verify():
            raise NotLeading
        return stored + 1
