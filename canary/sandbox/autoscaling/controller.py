"""Looks at every autoscaler every 15 seconds and scales its target."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.errors import KubeError, NotFound
from canary.kube.resources import Resource
from canary.sandbox.autoscaling import conditions
from canary.sandbox.autoscaling.algorithm import SYNC_SECONDS, Desired, Memory, by_utilization, normalized
from canary.sandbox.autoscaling.objects import AUTOSCALERS, Autoscaler, AutoscalerStatus
from canary.sandbox.mirror import Mirror

Utilization = Callable[[str, str], float | None]
"""Namespace and name of a workload to the percentage of its requested cpu that its pods use; `None`: not known."""

_SCALED = {
    "Deployment": Resource("apps", "v1", "deployments", "Deployment"),
    "ReplicaSet": Resource("apps", "v1", "replicasets", "ReplicaSet"),
    "StatefulSet": Resource("apps", "v1", "statefulsets", "StatefulSet"),
}
_Words = tuple[str, str, str]

log = structlog.get_logger(__name__)


class _Scale(msgspec.Struct, frozen=True):
    """The /scale subresource, as far as it is read."""

    metadata: dict[str, Any]
    spec: dict[str, int] = {}
    status: dict[str, Any] = {}

    @property
    def replicas(self) -> int:
        return self.spec.get("replicas", 0)

    @property
    def selector(self) -> str:
        return str(self.status.get("selector", ""))


@dataclass(frozen=True, slots=True)
class _Judgement:
    replicas: int
    news: dict[str, _Words]


class AutoscalerController:
    """Runs every autoscaler of the cluster behind `client`. Bounds act always, metrics as far as `utilization` knows.

    An autoscaler has one metric that is looked at: the utilization of cpu.
    """

    def __init__(
        self, client: Client, clock: Clock, rng: random.Random, utilization: Utilization = lambda *_: None
    ) -> None:
        self._client, self._clock, self._utilization = client, clock, utilization
        self.autoscalers = Mirror(client, AUTOSCALERS, Autoscaler, clock, rng)
        self._memories: dict[str, Memory] = {}
        self._selectors: dict[tuple[str, str], str] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.autoscalers.run())
            await self.autoscalers.wait_synced()
            tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            known = sorted(self.autoscalers, key=lambda each: each.metadata.uid)
            # All are met before any acts: which of two that share their pods comes first must not matter.
            for look in (self._meet, self.sync):
                for autoscaler in known:
                    try:
                        await look(autoscaler)
                    except (KubeError, TimeoutError) as error:
                        log.warning("autoscaling failed", name=autoscaler.metadata.name, error=str(error))
            self._forget()
            await self._clock.sleep(SYNC_SECONDS)

    async def _meet(self, autoscaler: Autoscaler) -> None:
        """Learn which pods one selects that was not there before."""
        key = (autoscaler.metadata.namespace, autoscaler.metadata.name)
        if key not in self._selectors:
            with suppress(NotFound):
                self._selectors[key] = (await self._scale(autoscaler)).selector

    async def _scale(self, autoscaler: Autoscaler) -> _Scale:
        target, namespace = autoscaler.spec.scale_target_ref, autoscaler.metadata.namespace
        resource = _SCALED[target.kind]
        return await self._client.get(resource, target.name, namespace, subresource="scale", type=_Scale)

    async def sync(self, autoscaler: Autoscaler) -> None:
        """One look. Raises a `KubeError`."""
        meta, target = autoscaler.metadata, autoscaler.spec.scale_target_ref
        resource = _SCALED[target.kind]
        try:
            scale = await self._scale(autoscaler)
        except KubeError as error:
            await self._write(autoscaler, None, _Judgement(0, {"AbleToScale": conditions.no_scale(error)}), False)
            return
        self._selectors[(meta.namespace, meta.name)] = scale.selector
        judged = self._judge(autoscaler, scale)
        changes = judged.replicas != scale.replicas
        if changes:
            body = {
                "apiVersion": "autoscaling/v1",
                "kind": "Scale",
                "metadata": scale.metadata,
                "spec": {"replicas": judged.replicas},
            }
            await self._client.replace(resource, target.name, body, meta.namespace, subresource="scale", type=_Scale)
            moment = self._clock.monotonic()
            self._memory(autoscaler).changes.append((moment, judged.replicas - scale.replicas))
            judged.news["AbleToScale"] = conditions.rescaled(judged.replicas)
        await self._write(autoscaler, scale, judged, changes)

    def _judge(self, autoscaler: Autoscaler, scale: _Scale) -> _Judgement:
        spec, current = autoscaler.spec, scale.replicas
        news: dict[str, _Words] = {"AbleToScale": conditions.GOT_SCALE}
        if current == 0:
            return _Judgement(0, news | {"ScalingActive": conditions.DISABLED})
        if current > spec.max_replicas:
            return _Judgement(spec.max_replicas, news)
        if current < spec.min_replicas:
            return _Judgement(spec.min_replicas, news)
        rivals = self._rivals(autoscaler, scale)
        if len(rivals) > 1:
            return _Judgement(current, news | {"ScalingActive": conditions.ambiguous(scale.selector, rivals)})
        wanted = self._wanted(autoscaler, current)
        if wanted is None:
            return _Judgement(current, news | {"ScalingActive": conditions.NO_METRICS})
        desired = self._normalized(autoscaler, wanted, current)
        words = {
            "ScalingActive": conditions.VALID,
            "AbleToScale": ("True", *desired.able),
            "ScalingLimited": desired.limited,
        }
        return _Judgement(desired.replicas, news | words)

    def _normalized(self, autoscaler: Autoscaler, wanted: int, current: int) -> Desired:
        spec, memory = autoscaler.spec, self._memory(autoscaler)
        if not memory.recommended:
            # A controller that has just begun remembers what there was.
            memory.recommended.append((self._clock.monotonic(), current))
        moment = self._clock.monotonic()
        return normalized(wanted, current, spec.min_replicas, spec.max_replicas, spec.behavior, memory, moment)

    def _rivals(self, autoscaler: Autoscaler, scale: _Scale) -> list[str]:
        """Autoscalers of the namespace that were seen to select the same pods, this one among them."""
        namespace = autoscaler.metadata.namespace
        return [
            f"{space}/{name}"
            for (space, name), selector in self._selectors.items()
            if space == namespace and selector == scale.selector
        ]

    def _wanted(self, autoscaler: Autoscaler, current: int) -> int | None:
        metrics = [m.resource for m in autoscaler.spec.metrics if m.resource is not None and m.resource.name == "cpu"]
        goal = next((m.target.average_utilization for m in metrics if m.target.average_utilization), None)
        measured = self._utilization(autoscaler.metadata.namespace, autoscaler.spec.scale_target_ref.name)
        if goal is None or measured is None:
            return None
        return by_utilization(current, measured, goal)

    def _memory(self, autoscaler: Autoscaler) -> Memory:
        return self._memories.setdefault(autoscaler.metadata.uid, Memory())

    def _forget(self) -> None:
        known = {autoscaler.metadata.uid for autoscaler in self.autoscalers}
        names = {(a.metadata.namespace, a.metadata.name) for a in self.autoscalers}
        self._memories = {uid: memory for uid, memory in self._memories.items() if uid in known}
        self._selectors = {key: selector for key, selector in self._selectors.items() if key in names}

    async def _write(self, autoscaler: Autoscaler, scale: _Scale | None, judged: _Judgement, changes: bool) -> None:
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        before, meta = autoscaler.status, autoscaler.metadata
        status = AutoscalerStatus(
            observed_generation=before.observed_generation,
            current_replicas=before.current_replicas if scale is None else scale.replicas,
            desired_replicas=before.desired_replicas if scale is None else judged.replicas,
            last_scale_time=now if changes else before.last_scale_time,
            conditions=conditions.written(before.conditions, judged.news, now),
        )
        if status != before:
            answer = await self._client.patch(
                AUTOSCALERS, meta.name, {"status": status}, meta.namespace, subresource="status", type=Autoscaler
            )
            await self.autoscalers.shows(answer)
