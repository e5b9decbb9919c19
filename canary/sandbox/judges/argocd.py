"""What Argo CD makes of a Canary: its health, the actions it offers, and what an action changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from canary.sandbox.judges.lua import JudgeUnavailable, Plain, ScriptError, run

SCRIPTS = Path(__file__).parents[3] / "gitops/argocd/resource_customizations/canary.delivery/Canary"
HEALTH = "health.lua"
DISCOVERY = "actions/discovery.lua"
LEGAL = frozenset({"Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"})


@dataclass(frozen=True, slots=True)
class Health:
    status: str
    message: str


def health(obj: Mapping[str, Any], script: str | None = None) -> Health:
    """The health that Argo CD shows, by `script` or by the one of this repository.

    Rules around the script: an object that is being deleted is Progressing whatever the script would say; a script
    that fails, or answers another word, is Unknown, which Argo CD ranks worst.
    """
    if obj.get("metadata", {}).get("deletionTimestamp"):
        return Health("Progressing", "Pending deletion")
    try:
        answer = run(read(HEALTH) if script is None else script, obj)
    except ScriptError as error:
        return Health("Unknown", str(error))
    if not isinstance(answer, dict):
        return Health("Unknown", f"expect table output from Lua script, not {answer!r}")
    if answer.get("status") not in LEGAL:
        return Health("Unknown", "Lua returned an invalid health status")
    return Health(answer["status"], answer.get("message", ""))


def actions(obj: Mapping[str, Any]) -> dict[str, bool]:
    """The actions that Argo CD offers, by name, and whether each can be chosen. Raises `ScriptError`."""
    offered: dict[str, dict[str, Any]] = run(read(DISCOVERY), obj)
    return {name: not entry.get("disabled", False) for name, entry in offered.items()}


def act(name: str, obj: Mapping[str, Any], *, wall: float) -> Plain:
    """The object after an action at `wall` (Unix seconds). Raises `ScriptError`."""
    return _restored(run(read(f"actions/{name}/action.lua"), obj, wall=wall), obj)


@cache
def read(name: str) -> str:
    """A script of this repository, by its path from the directory of the kind. Raises `JudgeUnavailable`."""
    try:
        return (SCRIPTS / name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise JudgeUnavailable(f"the script {name} lies in the source tree, which is not here") from error


def _restored(new: Plain, old: Plain) -> Plain:
    """Lua cannot tell an empty object from an empty list: where the old value was an empty object, it stays one."""
    if isinstance(new, dict) and isinstance(old, Mapping):
        return {key: _restored(value, old.get(key)) for key, value in new.items()}
    if isinstance(new, list) and isinstance(old, Mapping):
        return new if new else dict(old)
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [_restored(*pair) for pair in zip(new, old, strict=True)]
    return new
