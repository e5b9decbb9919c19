"""The answers of all judges on one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.sandbox.judges import argocd, kstatus, kubectl_wait
from canary.sandbox.judges.argocd import Health
from canary.sandbox.judges.kstatus import Status


@dataclass(frozen=True, slots=True)
class Verdicts:
    """`wait_promoted` and `wait_ready` say whether `kubectl wait` for that condition would end with success."""

    argocd: Health
    flux: Status
    wait_promoted: bool
    wait_ready: bool


def judge_all(obj: Mapping[str, Any]) -> Verdicts:
    """What the three make of a Canary, given as JSON. Raises `JudgeUnavailable` and `kstatus.Unreadable`."""
    return Verdicts(
        argocd=argocd.health(obj),
        flux=kstatus.compute(obj),
        wait_promoted=kubectl_wait.ends(obj, "Promoted"),
        wait_ready=kubectl_wait.ends(obj, "Ready"),
    )
