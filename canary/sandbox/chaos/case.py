"""A schedule as a JSON file: a failure that was made small, kept as a test."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from canary.sandbox.chaos.deeds import ALL_DEEDS
from canary.sandbox.chaos.schedule import EFFECTS, Action, Met, Schedule

_NAMED = {str(effect): effect for effect in EFFECTS}


class UnknownCase(ValueError):
    """The text is no case, or one of tables that have changed since; the message names what is not there."""


def to_json(schedule: Schedule, *, why: str = "") -> str:
    """The case as text; `why` says what was wrong, for people."""
    fields: dict[str, Any] = {
        each.name: getattr(schedule, each.name)
        for each in dataclasses.fields(schedule)
        if each.name not in ("effects", "actions")
    }
    effects = [[str(met.effect), met.rate] for met in schedule.effects]
    actions = [[action.at, action.name, action.dice] for action in schedule.actions]
    return json.dumps({"why": why, **fields, "effects": effects, "actions": actions}, indent=1) + "\n"


def from_json(text: str) -> Schedule:
    """The schedule of a case. Raises `UnknownCase`."""
    try:
        fields = json.loads(text)
        fields.pop("why")
        effects = tuple(Met(_NAMED[name], rate) for name, rate in fields.pop("effects"))
        actions = tuple(Action(at, name, dice) for at, name, dice in fields.pop("actions"))
        schedule = Schedule(effects=effects, actions=actions, **fields)
    except (ValueError, TypeError, KeyError) as error:
        raise UnknownCase(f"this is no case of chaos: {error!r}") from error
    missing = sorted({action.name for action in actions} - ALL_DEEDS.keys())
    if missing:
        raise UnknownCase(f"there are no deeds {missing}")
    return schedule
