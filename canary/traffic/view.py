"""A TrafficSplit as read from the API server, in the words of the decision."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from canary.api.kinds import TrafficSplit
from canary.api.names import CANARY_LABEL, MANAGED_BY, MANAGED_BY_LABEL, OWNER_ANNOTATION, STATE_ANNOTATION
from canary.core.observed import Backend, Ownership, Split
from canary.core.state import UnknownVersion, decode_state
from canary.traffic.foreign import field_manager_of_backends, foreign_claim
from canary.traffic.weights import UnreadableWeights, read_weights


class Owner(NamedTuple):
    """The Canary that asks: its split is named after its root."""

    namespace: str
    canary: str
    uid: str
    root: str
    split_uid: str = ""

    @property
    def mark(self) -> str:
        """The value of the owner annotation."""
        return f"{self.canary}/{self.uid}"

    @property
    def labels(self) -> dict[str, str]:
        return {CANARY_LABEL: self.canary, MANAGED_BY_LABEL: MANAGED_BY}


def split_view(split: TrafficSplit, owner: Owner) -> Split:
    """What the decision needs to know of `split`."""
    newer, state = False, None
    try:
        state = decode_state(split.metadata.annotations.get(STATE_ANNOTATION))
    except UnknownVersion:
        newer = True
    backends, malformed = _backends(split)
    ownership, name = _ownership(split, owner, known=newer or (state is not None and state.uid == owner.uid))
    editor = field_manager_of_backends(split)
    return Split(
        uid=split.metadata.uid,
        state=state,
        backends=backends,
        newer=newer,
        malformed=malformed,
        terminating=split.metadata.deletion_timestamp is not None,
        ownership=ownership,
        owner=name,
        editor=editor.manager if editor else "",
        tracked=foreign_claim(split) or "",
    )


def _backends(split: TrafficSplit) -> tuple[tuple[Backend, ...], bool]:
    """Exact integers that sum to 100 are taken as they are; anything else is normalised and called malformed."""
    listed = split.spec.backends or ()
    plain = [b.weight for b in listed if isinstance(b.weight, int) and not isinstance(b.weight, bool)]
    exact = len(plain) == len(listed) and sum(plain) == 100 and all(weight >= 0 for weight in plain)
    distinct = len({backend.service for backend in listed}) == len(listed)
    if exact and distinct and all(backend.service for backend in listed):
        return tuple(Backend(b.service, weight) for b, weight in zip(listed, plain, strict=True)), False
    try:
        return read_weights(listed), True
    except UnreadableWeights:
        return (), True


def _ownership(split: TrafficSplit, owner: Owner, *, known: bool) -> tuple[Ownership, str]:
    for reference in split.metadata.owner_references:
        if reference.controller:
            return Ownership.FOREIGN, f"{reference.kind} {reference.name}"
    mark = split.metadata.annotations.get(OWNER_ANNOTATION, "")
    name, _, _ = mark.partition("/")
    if name and name != owner.canary:
        return Ownership.FOREIGN, f"Canary {name}"
    # Names are unique, so another uid under our name belongs to a Canary that is no more.
    if name or known or (owner.split_uid and split.metadata.uid == owner.split_uid):
        return Ownership.OURS, ""
    return Ownership.FREE, ""


def decode_split(body: bytes) -> TrafficSplit:
    """Raises `msgspec.MsgspecError` for bytes that are no TrafficSplit."""
    return msgspec.json.decode(body, type=TrafficSplit)
