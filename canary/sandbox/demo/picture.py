"""What there is to see of a rollout, folded from the API server's commit log: one commit in, the next picture out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from canary.api.duration import parse_duration
from canary.api.names import KIND, PLURAL, STATE_ANNOTATION
from canary.api.status import CanaryStatus, MetricStatus
from canary.core.phases import Phase
from canary.core.plan import Stage
from canary.core.state import State, decode_state
from canary.sandbox.apiserver.commitlog import Commit
from canary.sandbox.app import App

MAX_EVENTS = 8


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes event about the Canary."""

    reason: str
    note: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """The rollout at one moment. `weights` are those of the split, by Service; `steps` those of the plan.

    `metrics` are the last ones of this revision: a status has none until a window after the last weight change is
    over. `events` are the last ones, oldest first; `heard` counts all that there were.
    """

    weights: Mapping[str, int] = field(default_factory=dict)
    state: State | None = None
    steps: tuple[Stage, ...] = ()
    generation: int = 0
    status: CanaryStatus = field(default_factory=CanaryStatus)
    metrics: tuple[MetricStatus, ...] = ()
    events: tuple[Event, ...] = ()
    heard: int = 0

    @property
    def observed(self) -> bool:
        """Whether the controller has seen the spec as it is now."""
        return self.status.observed_generation >= self.generation > 0


def after(picture: Picture, commit: Commit, app: App) -> Picture:
    """The picture with one more commit; the same one if the commit shows nothing new."""
    if commit.namespace != app.namespace or commit.new is None:
        return picture
    match commit.plural:
        case "trafficsplits" if commit.name == app.name:
            return _with_split(picture, commit.new)
        case plural if plural == PLURAL and commit.name == app.name:
            return _with_canary(picture, commit.new)
        case "events" if commit.old is None and _about_canary(commit.new):
            return _with_event(picture, commit.new)
    return picture


def state_in(split: Mapping[str, Any]) -> State | None:
    """The controller's state in a stored split."""
    return decode_state((split["metadata"].get("annotations") or {}).get(STATE_ANNOTATION))


def _with_split(picture: Picture, split: Mapping[str, Any]) -> Picture:
    weights = {backend["service"]: int(backend["weight"]) for backend in split["spec"]["backends"]}
    return replace(picture, weights=weights, state=state_in(split))


def _with_canary(picture: Picture, canary: Mapping[str, Any]) -> Picture:
    steps = tuple(
        Stage(step["weight"], parse_duration(step.get("hold", "0s")))
        for step in canary["spec"].get("steps") or ()
        if "weight" in step
    )
    status = msgspec.convert(canary.get("status") or {}, CanaryStatus)
    # A rollout that has no traffic yet has no metrics either: what its status may show is of the one before.
    begins = status.phase == Phase.PROGRESSING and not status.canary_weight
    metrics = () if begins else status.metrics or picture.metrics
    return replace(picture, steps=steps, generation=canary["metadata"]["generation"], status=status, metrics=metrics)


def _about_canary(event: Mapping[str, Any]) -> bool:
    return bool(event["involvedObject"].get("kind") == KIND)


def _with_event(picture: Picture, event: Mapping[str, Any]) -> Picture:
    # Events are stored as v1, whatever version they were written in.
    new = Event(event.get("reason") or "", event.get("message") or "", event.get("type") == "Warning")
    return replace(picture, events=(*picture.events, new)[-MAX_EVENTS:], heard=picture.heard + 1)
