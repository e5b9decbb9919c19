"""What is told after traffic is where it belongs: events, status, answered annotations, the finalizer."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from canary.api.canary import Canary, CanaryStatus, status_of
from canary.api.names import ABORT_ANNOTATION, COMMAND_ANNOTATION, FINALIZER
from canary.controller.session import Session, Told
from canary.controller.watches import CANARIES
from canary.core.commands import command_id
from canary.core.decision import Decision
from canary.core.memory import trusted_state
from canary.core.observed import Now, Observed
from canary.core.state import State
from canary.core.status import Subject, material, project
from canary.kube.client import Client, PatchKind
from canary.kube.errors import Conflict, Invalid, NotFound
from canary.kube.finalizers import ChangedMeanwhile, add_finalizer, remove_finalizer
from canary.kube.own_writes import older
from canary.kube.recorder import EventRecorder, Reference
from canary.notify.events import announce, announce_restored
from canary.traffic.versions import GROUP as SPLIT_GROUP

REFRESH = 60.0
"""Seconds between two writes of a status in which only values have changed."""


class Reported(NamedTuple):
    """The status as it is now, and when (monotonic) it is to be written if only its sentences have changed."""

    status: CanaryStatus
    due: float | None = None


class Reporter:
    def __init__(self, client: Client, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder

    def say(self, session: Session, canary: Canary, observed: Observed) -> None:
        """The events of the last writes, once per process and, by their names, once at all."""
        split = observed.split
        if split is None or split.state is None or split.state.uid != session.uid or session.version is None:
            return
        mark = (split.uid, split.state.seq)
        if mark == session.announced:
            return
        after = session.announced[1] if session.announced[0] == split.uid else 0
        session.announced = mark
        version = f"{SPLIT_GROUP}/{session.version}"
        related = Reference(version, "TrafficSplit", session.root, session.key[0], split.uid)
        announce(self._recorder, canary, related, split.state, after=after)

    def restored(self, canary: Canary, deployment: str, revision: str, *, copy: bool) -> None:
        """A promoted pod template was put back into the user's Deployment, or into the stable `copy`."""
        announce_restored(self._recorder, canary, deployment, revision, copy=copy)

    async def status(
        self, session: Session, canary: Canary, observed: Observed, decision: Decision, now: Now
    ) -> Reported:
        """Write the status if it is due. Raises `Conflict` when the Canary has changed."""
        previous, base = status_of(canary), canary.metadata.resource_version
        if session.told is not None and older(base, session.told.made, (session.told.over,)):
            # Our own last write has not come back by the watch yet.
            previous, base = session.told.status, session.told.made
        state = trusted_state(observed, session.memory)
        version = f"{SPLIT_GROUP}/{session.version}" if session.version else ""
        subject = Subject(canary.metadata.generation, previous, version)
        status = project(subject, observed, state, session.memory, decision, now)
        if status == previous:
            return Reported(previous)
        due = session.status_written_at + REFRESH
        if material(status) == material(previous) and now.monotonic < due:
            return Reported(previous, due)
        namespace, name = session.key
        body = msgspec.to_builtins(status)
        patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": base},
            {"op": "add", "path": "/status", "value": body},
        ]
        made = await self._client.patch(CANARIES, name, patch, namespace, kind=PatchKind.JSON, subresource="status")
        session.told = Told(canary.metadata.resource_version, made["metadata"]["resourceVersion"], status)
        session.status_written_at = now.monotonic
        return Reported(status)

    async def consume(self, session: Session, canary: Canary, state: State | None, status: CanaryStatus) -> None:
        """Take answered annotations off, once the record says that they were answered; a value that returns stays."""
        if state is None or status.record is None or status.record.seq < state.seq:
            return
        for annotation, answered in ((COMMAND_ANNOTATION, state.command), (ABORT_ANNOTATION, state.abort)):
            value = canary.metadata.annotations.get(annotation, "")
            if value and command_id(value) == answered and value not in session.removed:
                session.removed.add(value)
                await self._remove(session, annotation, value)

    async def _remove(self, session: Session, annotation: str, value: str) -> None:
        namespace, name = session.key
        path = "/metadata/annotations/" + annotation.replace("~", "~0").replace("/", "~1")
        patch: list[dict[str, Any]] = [
            {"op": "test", "path": path, "value": value},
            {"op": "remove", "path": path},
        ]
        try:
            await self._client.patch(CANARIES, name, patch, namespace, kind=PatchKind.JSON)
        except (Invalid, Conflict, NotFound):
            # Somebody has changed or removed it meanwhile: that is theirs to say.
            return

    async def finalizer(self, session: Session, canary: Canary, *, wanted: bool) -> None:
        """Put our finalizer on before the first side effect, or take it off after the last one.

        Raises `ChangedMeanwhile` when it cannot be put on: without it nothing may be begun.
        """
        has = FINALIZER in canary.metadata.finalizers
        if has == wanted:
            return
        namespace, name = session.key
        if wanted:
            added = await add_finalizer(self._client, CANARIES, name, namespace, FINALIZER, uid=session.uid)
            if not added and canary.metadata.deletion_timestamp is None:
                raise ChangedMeanwhile(f"no finalizer could be put on Canary {namespace}/{name}: it seems to be gone")
        else:
            await remove_finalizer(self._client, CANARIES, name, namespace, FINALIZER, uid=session.uid)
