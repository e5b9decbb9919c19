"""The log of what was decided about traffic: one line for each write of a split, each rollback, each new phase."""

from __future__ import annotations

from typing import Any

import structlog

from canary.controller.telemetry import Silent
from canary.core.decision import Act, Change, Decision
from canary.core.memory import Memory
from canary.core.observed import Observed
from canary.core.phases import Phase
from canary.core.state import State
from canary.core.verdict import Verdict
from canary.kube.store import Key

_log = structlog.get_logger("canary.traffic")


class Journal(Silent):
    """A `Telemetry` that logs. Namespace, name and reconcile id are bound to the context by the controller."""

    def __init__(self) -> None:
        self._waits: dict[Key, str] = {}

    def leads(self, leading: bool) -> None:
        _log.info("leading" if leading else "no longer leading")

    def looked(self, key: Key, observed: Observed, state: State | None, memory: Memory, decision: Decision) -> None:
        """A new reason to wait is worth one line."""
        outlook = decision.outlook
        if outlook is None or outlook.reason == self._waits.get(key):
            return
        self._waits[key] = outlook.reason
        log = _log.warning if outlook.blocked else _log.info
        log("waiting", reason=outlook.reason, why=outlook.message)

    def judged(self, key: Key, verdict: Verdict) -> None:
        _log.debug("window judged", verdict=verdict.value)

    def wrote(
        self, key: Key, change: Change, *, before: State | None, after: State | None, since_breach: float | None
    ) -> None:
        """Weights from → to, the number of the write, and why."""
        state = after or change.state
        words: dict[str, Any] = {
            "from": before.weight if before else None, "to": state.weight, "seq": state.seq, "step": state.step,
            "revision": state.revision, "direction": change.direction.value, **_why(state),
        }  # fmt: skip
        if change.act is not Act.UPDATE:
            words["act"] = change.act.value
        _log.info("split written", **words)
        old = before.phase if before else Phase.INITIALIZING
        if state.phase is not old:
            _log.info("phase changed", **{"from": old.value, "to": state.phase.value, "seq": state.seq})
        if state.phase is Phase.ROLLING_BACK and old is not Phase.ROLLING_BACK:
            _log.warning(
                "rolled back", revision=state.revision, reason=state.reason, why=state.note, seq=state.seq,
                since_breach=since_breach,
            )  # fmt: skip

    def refused(self, key: Key, change: Change, error: Exception) -> None:
        _log.warning(
            "split not written", direction=change.direction.value, to=change.state.weight,
            error=f"{type(error).__name__}: {error}",
        )  # fmt: skip

    def dropped(self, key: Key) -> None:
        self._waits.pop(key, None)
        _log.info("canary gone")


def _why(state: State) -> dict[str, str]:
    return {"reason": state.said[0].reason, "why": state.said[0].note} if state.said else {}
