"""The events of a rollout: said by the state that caused them, so that a restart says the same ones again.

An event's name derives from the uids of the Canary and the split, the write's number and the reason: whoever says it,
it is one object. A split outlives its Canary, whose successor counts its writes from one again.
"""

from __future__ import annotations

from canary.api.canary import Canary
from canary.api.names import API_VERSION, GROUP, KIND
from canary.core.state import Earlier, State
from canary.kube.recorder import Event, EventRecorder, Reference

TERMINAL = frozenset({"Promoted", "RolledBack", "RollbackStarted", "Aborted"})
"""Reasons that are never dropped for being too many."""


def reference(canary: Canary) -> Reference:
    """The Canary as the object that an event is about."""
    meta = canary.metadata
    return Reference(API_VERSION, KIND, meta.name, meta.namespace, meta.uid, meta.resource_version)


def announce(recorder: EventRecorder, canary: Canary, split: Reference, state: State, *, after: int = 0) -> None:
    """Say what the last writes of the split said, as far as their number is above `after`."""
    for write in (*state.earlier, Earlier(state.seq, state.phase, state.weight, state.revision, state.said)):
        if write.seq > after:
            _announce(recorder, canary, split, write)


def announce_restored(recorder: EventRecorder, canary: Canary, deployment: str, revision: str, *, copy: bool) -> None:
    """A promoted pod template was put back: into the user's Deployment, or, with `copy`, into the stable one."""
    why = "what was promoted serves" if copy else "the Canary is being deleted, and nothing else may take its traffic"
    recorder.record(
        Event(
            regarding=reference(canary),
            related=Reference("apps/v1", "Deployment", deployment, canary.metadata.namespace),
            reason="TemplateRestored",
            action="Restore",
            note=f"the pod template of {revision} was put back into Deployment {deployment}: {why}",
            type="Warning" if copy else "Normal",
            annotations={f"{GROUP}/revision": revision},
            dedupe_id=f"{canary.metadata.uid}/{deployment}/{revision}",
            terminal=True,
        )
    )


def _announce(recorder: EventRecorder, canary: Canary, split: Reference, write: Earlier) -> None:
    for said in write.said:
        recorder.record(
            Event(
                regarding=reference(canary),
                related=split,
                reason=said.reason,
                action=write.phase.value,
                note=said.note,
                type="Warning" if said.warning else "Normal",
                annotations={
                    f"{GROUP}/revision": write.revision,
                    f"{GROUP}/weight": str(write.weight),
                    f"{GROUP}/phase": write.phase.value,
                    f"{GROUP}/seq": str(write.seq),
                },
                dedupe_id=f"{canary.metadata.uid}/{split.uid}/{write.seq}",
                terminal=said.reason in TERMINAL,
            )
        )
