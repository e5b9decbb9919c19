"""What was ready behind each Service, and since when: what S7 and S8 look at."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import msgspec

from canary.api.kinds import EndpointSlice
from canary.sandbox.oracle.log import FRESH, Broken, Write
from canary.sandbox.oracle.splits import Split
from canary.workload.sides import ready_endpoints


@dataclass(slots=True)
class Endpoints:
    """`workloads` are the Deployments behind Services that are not named like them (managed mode)."""

    workloads: dict[str, str] = field(default_factory=dict)
    slices: dict[str, EndpointSlice] = field(default_factory=dict)
    zero_since: dict[str, float] = field(default_factory=dict)
    ready_since: dict[str, float] = field(default_factory=dict)
    ready_until: dict[str, float] = field(default_factory=dict)
    mixed_until: dict[str, float] = field(default_factory=dict)

    def feed(self, write: Write) -> None:
        """Take a written slice in."""
        if write.new is None:
            self.slices.pop(write.name, None)
        else:
            self.slices[write.name] = msgspec.convert(write.new, EndpointSlice)
        services = {piece.metadata.labels.get("kubernetes.io/service-name", "") for piece in self.slices.values()}
        for service in services | set(self.mixed_until):
            if self._is_mixed(service):
                self.mixed_until[service] = math.inf
            elif self.mixed_until.get(service) == math.inf:
                self.mixed_until[service] = write.monotonic
        for service in services | set(self.ready_until) | set(self.zero_since):
            self._note(service, write.monotonic)

    def _note(self, service: str, at: float) -> None:
        if self.ready(service):
            self.zero_since.pop(service, None)
            self.ready_since.setdefault(service, at)
            self.ready_until[service] = math.inf
            return
        self.ready_since.pop(service, None)
        self.zero_since.setdefault(service, at)
        if self.ready_until.get(service) == math.inf:
            self.ready_until[service] = at

    def ready(self, service: str) -> int:
        """How many endpoints are ready now."""
        return len(ready_endpoints(self._of(service)))

    def gone(self, service: str, at: float, seconds: float = FRESH) -> bool:
        """Nothing has been ready for so long that everybody must have seen it, or never was."""
        return self.ready_until.get(service, -math.inf) < at - seconds

    def own(self, services: tuple[str, ...], at: float, blind: float) -> bool:
        """The numbers of these Services are those of the workloads of their names.

        An edited selector makes them those of pods, for as long as somebody may not have seen that it is put right.
        """
        return all(self.mixed_until.get(name, -math.inf) <= at - blind for name in services)

    def judge(self, write: Write, before: Split, after: Split, fresh: float) -> Broken:
        """S8: no traffic goes to a side without endpoints while the other has some."""
        for service, weight in after.weights.items():
            gained = weight - before.weights.get(service, 0)
            dead = write.monotonic - self.zero_since.get(service, write.monotonic) > fresh
            # One that has only just become ready may not have been seen, either.
            seen = write.monotonic - fresh
            others = [
                other for other, share in before.weights.items()
                if other != service and share and self.ready_since.get(other, write.monotonic) <= seen
            ]  # fmt: skip
            if before.weights and gained > 0 and dead and others:
                yield "S8", f"{gained}% more for {service}, which has no ready endpoint, while {others} have some"

    def _of(self, service: str) -> list[EndpointSlice]:
        return [s for s in self.slices.values() if s.metadata.labels.get("kubernetes.io/service-name") == service]

    def _is_mixed(self, service: str) -> bool:
        refs = [e.target_ref for piece in self._of(service) for e in piece.endpoints or ()]
        pods = [ref.name for ref in refs if ref]
        if (workload := self.workloads.get(service)) is not None:
            # Names of pods begin with that of the ReplicaSet: another workload's may begin alike.
            return not all(re.fullmatch(rf"{re.escape(workload)}-[^-]+-[^-]+", pod) for pod in pods)
        return not all(pod.startswith(f"{service}-") for pod in pods)
