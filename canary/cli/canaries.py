"""A Canary as the commands read it: leniently, since a stricter reader would hide what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec

from canary.api import names
from canary.api.canary import Canary, CanarySpec, CanaryStatus, Condition
from canary.api.meta import ObjectMeta
from canary.api.validation import InvalidSpec, load_spec
from canary.core.phases import Phase
from canary.core.plan import Plan, plan_of
from canary.kube.resources import Resource

CANARIES = Resource(names.GROUP, names.VERSION, names.PLURAL, names.KIND)
RUNNING = (Phase.PROGRESSING, Phase.PROMOTING)


@dataclass(frozen=True)
class View:
    """One state of a Canary. `raw` is the whole object as the API server sent it."""

    raw: Mapping[str, Any]
    metadata: ObjectMeta
    status: CanaryStatus

    @property
    def title(self) -> str:
        return f"{self.metadata.namespace}/{self.metadata.name}"

    def command_line(self, verb: str, *words: str) -> str:
        """What to type for this Canary: with its namespace, which need not be the one that a kubeconfig names."""
        return " ".join(filter(None, ["canary", verb, self.metadata.name, *words, "-n", self.metadata.namespace]))

    @cached_property
    def spec(self) -> CanarySpec | None:
        """The spec with its defaults; `None` when it is invalid."""
        spec = msgspec.Raw(msgspec.json.encode(self.raw.get("spec") or {}))
        try:
            return load_spec(Canary(self.metadata, spec))
        except InvalidSpec:
            return None

    @cached_property
    def plan(self) -> Plan | None:
        return plan_of(self.spec) if self.spec is not None else None

    @property
    def label(self) -> str:
        """`spec.revision`, in an invalid spec too."""
        return str((self.raw.get("spec") or {}).get("revision") or "")

    @property
    def suspended(self) -> bool:
        return bool((self.raw.get("spec") or {}).get("suspend"))

    @property
    def observed(self) -> bool:
        """Whether the status speaks of the spec as it is now."""
        return self.status.observed_generation >= self.metadata.generation

    @property
    def running(self) -> bool:
        return self.status.phase in RUNNING

    def condition(self, kind: str) -> Condition | None:
        return next((c for c in self.status.conditions if c.type == kind), None)

    def holds(self, kind: str) -> bool:
        """Whether a condition is true, for the spec as it is now."""
        condition = self.condition(kind)
        if condition is None or condition.status != "True" or not self.observed:
            return False
        return not condition.observed_generation or condition.observed_generation >= self.metadata.generation

    @property
    def reason(self) -> str:
        """Why the Canary is as it is, in the one word that all of its conditions share."""
        return self.status.conditions[0].reason if self.status.conditions else ""


def view_of(raw: Mapping[str, Any]) -> View:
    """The view of an object as decoded from JSON."""
    try:
        status = msgspec.convert(raw.get("status") or {}, CanaryStatus)
    except msgspec.ValidationError:
        status = CanaryStatus()
    return View(raw, msgspec.convert(raw["metadata"], ObjectMeta), status)


def moment(text: str | None) -> datetime | None:
    """A timestamp of the API; `None` when there is none or it cannot be read."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def standing(view: View) -> str:
    """Where a Canary stands, in one line."""
    status = view.status
    if view.metadata.deletion_timestamp:
        return "being deleted"
    if not view.observed:
        return f"waiting for the controller to see generation {view.metadata.generation}"
    parts = [status.phase or "Unknown"]
    if status.canary_weight is not None:
        parts.append(f"{status.canary_weight}%")
    if status.step is not None and status.steps and view.running:
        parts.append(f"step {status.step}/{status.steps}")
    return " ".join(parts) + (f": {status.message}" if status.message else "")
