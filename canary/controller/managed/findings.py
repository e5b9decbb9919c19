"""What one process has found out about the workload of one Canary. All of it can be lost without harm."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from canary.controller.managed.observe import View
from canary.core.actions import Action, Deed
from canary.core.observed import Now
from canary.kube.resources import CONTROLLER_REVISIONS
from canary.kube.token_bucket import Rate, TokenBucket

ACTIONS = Rate(burst=30.0, per_second=0.2)
"""How often the workload of one Canary is written: enough for any rollout, too little for a fight that nobody wins."""

GAP = 1.0
"""Seconds between two repairs of one part."""


@dataclass(slots=True)
class Findings:
    """`settled` and `filters` as in `Inputs`; `trouble` is what pods say, by Deployment.

    `looping` are the pods that crash again and again, `lacking_since` is since when (monotonic) pods are awaited.
    `templates` are the digests of pod templates by Deployment and pod-template-hash. `floor` is stable's size when the
    rollout `rollout` began, by the state number `followed`. `view` is the last look, made from the objects whose
    versions are `seen`. `problem` is why an action failed, in words, `filled` when (monotonic) each part was made or
    repaired last. `deleted_at` is when the deletion of the Canary was seen first, in Unix seconds of this process.
    """

    settled: set[tuple[str, str]] = field(default_factory=set)
    filters: tuple[dict[str, Any], ...] | None = None
    terminating: bool = False
    leaving_since: float | None = None
    deleted_at: float | None = None
    asked_namespace: bool = False
    trouble: dict[str, str] = field(default_factory=dict)
    looping: frozenset[str] = frozenset()
    lacking_since: float | None = None
    templates: dict[str, dict[str, str]] = field(default_factory=dict)
    followed: int = 0
    rollout: tuple[str, float] = ("", 0.0)
    floor: int | None = None
    view: View | None = None
    seen: tuple[Any, ...] = ()
    problem: str = ""
    filled: dict[str, float] = field(default_factory=dict)
    actions: TokenBucket = field(default_factory=lambda: TokenBucket(ACTIONS))

    def follow_deletion(self, now: Now) -> None:
        """The patience with a deletion is counted by this process's monotonic clock, from its first look at it.

        The API server's wall clock and this one's may differ by more than all of the patience.
        """
        if self.leaving_since is None:
            self.leaving_since = now.monotonic
        self.deleted_at = now.wall - (now.monotonic - self.leaving_since)

    def wait(self, action: Action, now: float) -> float:
        """How long an action has to wait, in seconds, lest a fight over it becomes a hot loop; 0 when it need not.

        `now` is monotonic.
        """
        if wait := self.actions.wait(now):
            self.problem = f"{action.deed.value}: somebody else changes it again as soon as it is written"
            return wait
        # A peer with older caches may have put it back: the watches of both must follow first.
        return max(self.filled.get(_made(action), float("-inf")) + GAP - now, 0.0)

    def did(self, action: Action, now: float) -> None:
        """An action was carried out."""
        self.actions, self.problem = self.actions.take(now), ""
        if part := _made(action):
            self.filled[part] = now


def _made(action: Action) -> str:
    """The part that an action makes, by name; empty when it makes none."""
    match action.deed:
        case Deed.FILL_GAP:
            return action.part
        case Deed.PIN:
            return f"{CONTROLLER_REVISIONS.kind}/{action.revision}"
    return ""
