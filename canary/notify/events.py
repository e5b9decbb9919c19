"""The events of a rollout: said by the state that caused them, so that a restart says the same ones again.

An event's name derives from the split's uid, the write's number and the reason: whoever says it, it is one object.
"""

from __future__ import annotations

from canary.api.canary import Canary
from canary.api.names import API_VERSION, GROUP, KIND
from canary.core.state import State
from canary.kube.recorder import Event, EventRecorder, Reference

TERMINAL = frozenset({"Promoted", "RolledBack", "RollbackStarted", "Aborted"})
"""Reasons that are never dropped for being too many."""


def reference(canary: Canary) -> Reference:
    """The Canary as the object that an event is about."""
    meta = canary.metadata
    return Reference(API_VERSION, KIND, meta.name, meta.namespace, meta.uid, meta.resource_version)


def announce(recorder: EventRecorder, canary: Canary, split: Reference, state: State) -> None:
    """Say what the last write of the split said."""
    for said in state.said:
        recorder.record(
            Event(
                regarding=reference(canary),
                related=split,
                reason=said.reason,
                action=state.phase.value,
                note=said.note,
                type="Warning" if said.warning else "Normal",
                annotations={
                    f"{GROUP}/revision": state.revision,
                    f"{GROUP}/weight": str(state.weight),
                    f"{GROUP}/phase": state.phase.value,
                    f"{GROUP}/seq": str(state.seq),
                },
                dedupe_id=f"{split.uid}/{state.seq}",
                terminal=said.reason in TERMINAL,
            )
        )
