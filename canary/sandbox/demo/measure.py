"""What a rollout did to users and how fast it was undone, from what the API server stored and what the client saw.

Both are facts of their own: neither the status nor a log line of the controller is believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from canary.core.phases import Phase
from canary.core.state import State
from canary.sandbox.apiserver.commitlog import Commit
from canary.sandbox.demo.picture import state_in
from canary.sandbox.demo.scenario import SLOW, Scene
from canary.sandbox.load import Outcome


@dataclass(frozen=True, slots=True)
class Rescue:
    """How fast traffic was taken back, in seconds until the commit with weight 0 for the canary.

    `first_breach` counts from the answer of the metrics API that showed the first breached window, `decided` from the
    one that showed the window after which the rollout was over.
    """

    first_breach: float
    decided: float


@dataclass(frozen=True, slots=True)
class Result:
    """How one rollout ended. `seconds` are those in which the canary got traffic and was on trial.

    `requests`, `failed` and `slow` (answered, but later than the limit) are those of all users in that time.
    """

    scene: Scene
    phase: Phase | None
    reason: str
    note: str
    peak: int
    seconds: float
    rescue: Rescue | None
    requests: int
    failed: int
    slow: int

    @property
    def right(self) -> bool:
        """It ended as it must, and for the right reason."""
        if self.phase is not self.scene.expected:
            return False
        return not self.scene.because or (self.reason == "CheckFailed" and self.scene.because in self.note)


@dataclass(frozen=True, slots=True)
class _Write:
    """A stored state, and when."""

    state: State
    monotonic: float
    wall: float


def measure(scene: Scene, backend: str, splits: Iterable[Commit], outcomes: Iterable[Outcome]) -> Result:
    """The result of the rollout to the Service `backend`, from the commits of the split and the client's records."""
    writes = [write for write in _writes(splits) if write.state.canary == backend or write.state.serving == backend]
    trial = [write for write in writes if write.state.canary == backend]
    raised = [write for write in trial if write.state.weight > 0]
    last = writes[-1].state if writes else None
    end = _end(writes, backend)
    start = raised[0].monotonic if raised else 0.0
    stop = end.monotonic if raised and end else start
    affected = _affected(outcomes, scene.release.version, start, stop) if raised else []
    return Result(
        scene=scene,
        phase=last.phase if last else None,
        reason=last.reason if last else "",
        note=last.note if last else "",
        peak=max((write.state.weight for write in raised), default=0),
        seconds=stop - start,
        rescue=_rescue(trial, end),
        requests=len(affected),
        failed=sum(not outcome.ok for outcome in affected),
        slow=sum(outcome.ok and outcome.seconds > SLOW for outcome in affected),
    )


def _writes(splits: Iterable[Commit]) -> Iterable[_Write]:
    for commit in splits:
        state = state_in(commit.new) if commit.new is not None else None
        if state is not None:
            yield _Write(state, commit.monotonic, commit.wall.timestamp())


def _end(writes: list[_Write], backend: str) -> _Write | None:
    """The write that took the canary's traffic back, or made it what serves."""
    had = False
    for write in writes:
        if had and (write.state.serving == backend or write.state.weight == 0):
            return write
        had = had or (write.state.canary == backend and write.state.weight > 0)
    return None


def _rescue(trial: list[_Write], end: _Write | None) -> Rescue | None:
    breached = [write for write in trial if write.state.failed]
    if end is None or end.state.phase not in (Phase.ROLLING_BACK, Phase.ROLLED_BACK) or not breached:
        return None
    # `window` is the wall time of the answer that showed the newest counted window; the processes share one clock.
    return Rescue(end.wall - breached[0].state.window, end.wall - end.state.window)


def _affected(outcomes: Iterable[Outcome], version: str, start: float, stop: float) -> list[Outcome]:
    """All requests that left from the first weight to the last one, and any later one that the canary still got."""
    return [o for o in outcomes if start <= o.at and (o.at <= stop or o.version == version)]
