"""What the TrafficSplit's annotation `canary.delivery/state` says: the one place where traffic is decided.

Weights and state change in one compare-and-swap write, so a controller that reads the split knows everything that an
earlier one decided. Times are Unix seconds; they are compared with a clock only once, when a process first sees them.
"""

from __future__ import annotations

import msgspec

from canary.core.evidence import Evidence
from canary.core.phases import RUNNING, Phase

STATE_VERSION = 1
MAX_REJECTED = 10
MAX_EARLIER = 2
"""Writes whose events are kept: two may follow another at once, and a process die before it has told of any."""


class WriteId(msgspec.Struct, frozen=True):
    """Names one attempt to write: `seq` rises with every accepted write, `attempt` with every try of one writer."""

    seq: int = 0
    writer: str = ""
    attempt: int = 0


class Gate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a raise was allowed, so that anybody can compare it with what the sources really said.

    `kind` is Window (a Healthy window), Ready (from 0: endpoints, warm-up and an answer of the source), Command, or
    NoData (action Advance). `start` and `end` are Unix seconds, `change` and `split` name the last weight change.
    """

    kind: str
    revision: str = ""
    pods: tuple[str, ...] = ()
    start: float = 0.0
    end: float = 0.0
    requests: float = 0.0
    verdicts: dict[str, str] = {}
    split: str = ""
    change: WriteId = WriteId()


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event of a write, kept with it so that a restart can say it again without inventing it."""

    reason: str
    note: str
    warning: bool = False


class Earlier(msgspec.Struct, frozen=True, omit_defaults=True):
    """The events of an earlier write, and what its state said beside them."""

    seq: int
    phase: Phase
    weight: int = 0
    revision: str = ""
    said: tuple[Said, ...] = ()


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of one Canary. `canary` is the Service under trial, `serving` the one that holds the rest.

    `since` is when the current hold began, `moved` when a weight last changed, `window` the end of the last counted
    window. `pause` is empty, `Paused` or `ManualWeight`. `reason` and `note` say why a rollout ended. `label` is the
    spec.revision that serves, `trial` the one under trial. Managed mode only: `entered` is the `seq` of the write that
    began the phase, `restart` says that the canary's pods must go first, for they have read an earlier configuration.
    `evidence` is what the tests of the running rollout have shown, by name. `said` are the events of the last write,
    `earlier` those of the writes before it.
    """

    v: int = STATE_VERSION
    uid: str = ""
    seq: int = 0
    writer: str = ""
    attempt: int = 0
    epoch: int = 0
    phase: Phase = Phase.INITIALIZING
    weight: int = 0
    step: int = 0
    plan: str = ""
    since: float = 0.0
    moved: float = 0.0
    change: WriteId = WriteId()
    started: float = 0.0
    revision: str = ""
    canary: str = ""
    serving: str = ""
    promoted: str = ""
    rejected: tuple[str, ...] = ()
    failed: int = 0
    lost: int = 0
    window: float = 0.0
    gate: Gate | None = None
    approvals: tuple[str, ...] = ()
    command: str = ""
    abort: str = ""
    pause: str = ""
    reason: str = ""
    note: str = ""
    label: str = ""
    trial: str = ""
    entered: int = 0
    restart: bool = False
    evidence: dict[str, Evidence] = {}
    said: tuple[Said, ...] = ()
    earlier: tuple[Earlier, ...] = ()

    @property
    def id(self) -> WriteId:
        return WriteId(self.seq, self.writer, self.attempt)

    @property
    def running(self) -> bool:
        """The canary may have weight."""
        return self.phase in RUNNING


class UnknownVersion(Exception):
    """The state was written by a newer controller: its weights may be lowered, nothing else."""


class _Probe(msgspec.Struct):
    v: int = 0


_decoder = msgspec.json.Decoder(State)
_probe = msgspec.json.Decoder(_Probe)


def decode_state(text: str | None) -> State | None:
    """The state in an annotation's value, or `None` when it is absent or not readable as one.

    Raises `UnknownVersion` when it says that another version wrote it.
    """
    if not text:
        return None
    try:
        version = _probe.decode(text).v
        if version > STATE_VERSION:
            raise UnknownVersion(f"state version {version} is newer than {STATE_VERSION}")
        state = _decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return None
    sane = 0 <= state.weight <= 100 and state.seq > 0 and state.v == STATE_VERSION
    return state if sane else None


def encode_state(state: State) -> str:
    """The annotation's value: compact JSON, empty fields left out, `v` always there."""
    body = msgspec.to_builtins(state)
    return msgspec.json.encode({"v": STATE_VERSION, **body}).decode()


def events_so_far(state: State) -> tuple[Earlier, ...]:
    """The events that the write after `state` keeps, the newest last."""
    last = Earlier(state.seq, state.phase, state.weight, state.revision, state.said)
    return (*state.earlier, last)[-MAX_EARLIER:] if state.said else state.earlier


def reject(rejected: tuple[str, ...], revision: str) -> tuple[str, ...]:
    """`rejected` with `revision` last, at most ten, the oldest dropped."""
    if not revision:
        return rejected
    return (*(r for r in rejected if r != revision), revision)[-MAX_REJECTED:]
