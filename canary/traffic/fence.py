"""The fence around traffic: every write of a split is one compare-and-swap on what a read has just returned.

Nothing here retries, because whether a write is still wanted only a new decision can tell. A write whose fate is not
known is settled by reading: it happened if, and only if, the split carries its (seq, writer, attempt).
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import msgspec

from canary.api.kinds import TrafficSplit
from canary.api.names import CANARY_LABEL, MANAGED_BY_LABEL, OWNER_ANNOTATION, STATE_ANNOTATION
from canary.core.decision import Act, Change, stamped
from canary.core.observed import Split
from canary.core.state import State, encode_state
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.errors import Ambiguous, NotFound, ServerError
from canary.traffic import versions
from canary.traffic.split import new_split, rewrite
from canary.traffic.versions import Version
from canary.traffic.view import Owner, split_view

READ_TIMEOUT = 5.0
WRITE_TIMEOUT = 10.0


class TooOld(Exception):
    """The verdict behind a raise, or the view it rests on, has aged: decide anew."""


class ResourceGone(Exception):
    """The API server no longer serves this version of the TrafficSplit: discover again."""


class Live(NamedTuple):
    """A split as the API server returned it just now: `body` is what a write is made of."""

    body: bytes
    object: TrafficSplit
    view: Split


class Fence:
    """Reads and writes the splits of one process. `writer` is its identity, unique across restarts."""

    def __init__(self, client: Client, *, writer: str, clock: Clock) -> None:
        self.writer = writer
        self._client = client
        self._clock = clock
        self._attempts = itertools.count(1)

    async def read(self, version: Version, owner: Owner) -> Live | None:
        """The split, read from the API server; `None` when it does not exist.

        Raises `ResourceGone` or a `KubeError`.
        """
        path = versions.resource(version).path(owner.namespace, owner.root)
        try:
            body = (await self._client.fetch(path, timeout=READ_TIMEOUT)).body
        except NotFound as error:
            if versions.resource_missing(error):
                raise ResourceGone(str(error)) from error
            return None
        return _live(body, owner)

    async def write(self, version: Version, owner: Owner, live: Live | None, change: Change, *, epoch: int) -> Live:
        """Make `change` on top of `live`, once; the split as it is afterwards.

        Raises `TooOld` instead of sending a raise whose verdict has aged, and the `KubeError` of a write that did not
        happen: `Conflict` when somebody was faster, `Ambiguous` when nobody can tell.
        """
        state = stamped(
            change,
            base_seq=change.state.seq,
            writer=self.writer,
            attempt=next(self._attempts),
            epoch=epoch,
            wall=self._clock.now().timestamp(),
        )
        if change.expires_at is not None and self._clock.monotonic() > change.expires_at:
            raise TooOld("the verdict, or what was read for it, is too old to raise on")
        if change.act is Act.DELETE and live is not None:
            await self._delete(version, owner, live)
            return live
        try:
            return _live(await self._send(version, owner, live, change, state), owner)
        except (Ambiguous, ServerError) as error:
            # A 5xx may come from a proxy after the server has committed, so it is as open as a broken connection.
            return await self._settle(version, owner, change, state, error)

    async def _delete(self, version: Version, owner: Owner, live: Live) -> None:
        """Let the split go, if it still is what was read."""
        metadata = live.object.metadata
        try:
            await self._client.delete(
                versions.resource(version), owner.root, owner.namespace, uid=metadata.uid,
                resource_version=metadata.resource_version, timeout=WRITE_TIMEOUT,
            )  # fmt: skip
        except NotFound:
            return
        except (Ambiguous, ServerError):
            if await self.read(version, owner) is not None:
                raise

    async def _send(self, version: Version, owner: Owner, live: Live | None, change: Change, state: State) -> bytes:
        resource = versions.resource(version)
        if live is None or change.act is Act.CREATE:
            annotations = {STATE_ANNOTATION: encode_state(state), OWNER_ANNOTATION: owner.mark}
            body = new_split(version, owner.namespace, owner.root, change.backends, owner.labels, annotations)
            raw = await self._client.create(resource, body, owner.namespace, type=msgspec.Raw, timeout=WRITE_TIMEOUT)
            return bytes(raw)
        body = rewrite(live.body, change.backends, *_marks(change, state, owner))
        raw = await self._client.replace(
            resource, owner.root, body, owner.namespace, type=msgspec.Raw, timeout=WRITE_TIMEOUT
        )
        return bytes(raw)

    async def _settle(
        self, version: Version, owner: Owner, change: Change, state: State, error: Ambiguous | ServerError
    ) -> Live:
        found = await self.read(version, owner)
        if found is not None and found.view.state is not None and found.view.state.id == state.id:
            return found
        if found is not None and _happened(change, found.view):
            return found
        raise error


def _happened(change: Change, view: Split) -> bool:
    """Whether a write that names nobody shows: our state is gone, or the weights of a newer one's split are lowered."""
    if change.act is Act.RELEASE:
        return view.state is None and not view.newer
    return change.act is Act.LOWER_ONLY and view.backends == change.backends


def _marks(change: Change, state: State, owner: Owner) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """The annotations and labels that a write sets or removes."""
    if change.act is Act.LOWER_ONLY:
        return {}, {}
    if change.act is Act.RELEASE:
        return {STATE_ANNOTATION: None}, {CANARY_LABEL: None, MANAGED_BY_LABEL: None}
    return {STATE_ANNOTATION: encode_state(state), OWNER_ANNOTATION: owner.mark}, {**owner.labels}


def _live(body: bytes, owner: Owner) -> Live:
    split = msgspec.json.decode(body, type=TrafficSplit)
    return Live(body, split, split_view(split, owner))
