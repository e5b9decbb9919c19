"""One look at one object: compare what is with what should be, and write the difference."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from canary.api.duration import parse_duration
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.errors import NotFound
from canary.kube.resources import DEPLOYMENTS, ENDPOINT_SLICES, PODS, REPLICA_SETS
from canary.kube.store import Key
from canary.sandbox.mirror import Mirror
from canary.sandbox.workloads.behaviour import Behaviour, Look, behaviour_of, look
from canary.sandbox.workloads.endpoints import slice_for, slice_name
from canary.sandbox.workloads.manifests import (
    REVISION_ANNOTATION,
    pod_for,
    replica_set_for,
    replica_set_status,
    revision_of,
    seconds_to_available,
)
from canary.sandbox.workloads.objects import (
    START_DELAY_ANNOTATION,
    Deployment,
    Pod,
    PublishedSlice,
    ReplicaSet,
    Service,
    matches_labels,
)
from canary.sandbox.workloads.podstatus import pod_status, shows
from canary.sandbox.workloads.progress import Found, deployment_status, seconds_left
from canary.sandbox.workloads.rolling import Size, limits, paused_plan, plan, template_hash

# Readings of a clock are added and subtracted: a wait this short, in seconds, is over.
_GRAIN = 1e-6
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True)
class Views:
    """What the controllers know of the cluster."""

    deployments: Mirror[Deployment]
    replica_sets: Mirror[ReplicaSet]
    pods: Mirror[Pod]
    services: Mirror[Service]
    slices: Mirror[PublishedSlice]

    @property
    def mirrors(self) -> tuple[Mirror[Any], ...]:
        return self.deployments, self.replica_sets, self.pods, self.services, self.slices


class Reconciler:
    """Level-triggered: each method may be called at any time, for objects that exist or not."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rng: random.Random,
        start_delay: float,
        views: Views,
    ) -> None:
        self._client, self._clock, self._rng, self._start_delay = client, clock, rng, start_delay
        self._views = views
        self._started: dict[str, float] = {}
        self._told: dict[str, tuple[Behaviour, float]] = {}
        self._addresses = 0
        views.pods.subscribe(self._pod_changed)

    async def deployment(self, namespace: str, name: str) -> float | None:
        """Returns the seconds until a rollout that stands still has failed."""
        deployment = self._views.deployments.get(namespace, name)
        if deployment is None or deployment.metadata.deletion_timestamp:
            return None
        owned = list(self._views.replica_sets.by(deployment.metadata.uid))
        new, found = await self._current_set(deployment, owned)
        others = sorted((s for s in owned if new is None or s.metadata.name != new.metadata.name), key=revision_of)
        for set_name, replicas in _plan(deployment, new, others).items():
            await self._patch_set(namespace, set_name, {"spec": {"replicas": replicas}})
        await self._forget_history(deployment, others)
        sets = list(self._views.replica_sets.by(deployment.metadata.uid))
        new = new and (self._views.replica_sets.get(namespace, new.metadata.name) or new)
        unavailable = limits(deployment.spec.strategy, deployment.replicas)[1]
        now = self._clock.now()
        status = deployment_status(deployment, new, sets, found, unavailable, now)
        revision = {} if new is None else {REVISION_ANNOTATION: str(revision_of(new))}
        if status != deployment.status or not revision.items() <= deployment.metadata.annotations.items():
            # Beside the status, which does not count as a new generation.
            patch = {"metadata": {"annotations": revision}, "status": status}
            await self._views.deployments.shows(
                await self._client.patch(DEPLOYMENTS, name, patch, namespace, subresource="status", type=Deployment)
            )
        return seconds_left(status, deployment.spec.progress_deadline_seconds, now)

    async def replica_set(self, namespace: str, name: str) -> float | None:
        """Returns the seconds until the next of its pods counts as available."""
        replica_set = self._views.replica_sets.get(namespace, name)
        if replica_set is None or replica_set.metadata.deletion_timestamp:
            return None
        pods = self._pods_of(replica_set)
        created: list[Pod] = []
        for _ in range(replica_set.replicas - len(pods)):
            suffix = "".join(self._rng.choices(_SUFFIX, k=5))
            manifest = pod_for(replica_set, suffix)
            created.append(await self._client.create(PODS, manifest, namespace, type=Pod))
        for pod in created:
            await self._views.pods.shows_new(pod)
        for pod in _expendable(pods)[: max(0, len(pods) - replica_set.replicas)]:
            with contextlib.suppress(NotFound):
                await self._client.delete(PODS, pod.metadata.name, namespace, uid=pod.metadata.uid)
            await self._views.pods.lacks(pod)
        now, pods = self._clock.now(), self._pods_of(replica_set)
        status = replica_set_status(replica_set, pods, now)
        if status != replica_set.status:
            patch = {"status": status}
            await self._views.replica_sets.shows(
                await self._client.patch(REPLICA_SETS, name, patch, namespace, subresource="status", type=ReplicaSet)
            )
        least = replica_set.spec.min_ready_seconds
        waits = [seconds_to_available(pod, least, now) for pod in pods if pod.ready]
        return min((wait for wait in waits if wait), default=None)

    async def pod(self, namespace: str, name: str) -> float | None:
        """What a kubelet does; returns the seconds until the pod's containers change by themselves."""
        pod = self._views.pods.get(namespace, name)
        if pod is None or pod.metadata.deletion_timestamp or pod.status.phase in ("Failed", "Succeeded"):
            return None
        seen = self._look(pod)
        if not shows(pod, seen):
            ip = pod.status.pod_ip or (self._address() if seen.scheduled else "")
            status = pod_status(pod, ip, seen, rfc3339(self._clock.now()))
            patch = {"status": status}
            await self._views.pods.shows(
                await self._client.patch(PODS, name, patch, namespace, subresource="status", type=Pod)
            )
        # Where a reading of the clock is a grain short, the wait is not shorter than that.
        return None if seen.next is None else seen.next + _GRAIN

    def _look(self, pod: Pod) -> Look:
        now, behaviour = self._clock.monotonic(), behaviour_of(pod)
        age = now - self._started.setdefault(pod.metadata.uid, now)
        delay = self._delay(pod)
        # What loops begins to do so when the pod is told to.
        told, since = self._told.get(pod.metadata.uid, (behaviour, 0.0))
        if told is not behaviour:
            since = age
        self._told[pod.metadata.uid] = behaviour, since
        loops = behaviour in (Behaviour.CRASH_LOOP, Behaviour.OOM)
        image = str(pod.spec.containers[0].get("image", "")) if pod.spec.containers else ""
        return look(behaviour, age + _GRAIN, max(delay, since) if loops else delay, image)

    async def service(self, namespace: str, name: str) -> None:
        service = self._views.services.get(namespace, name)
        if service is None or service.metadata.deletion_timestamp or not service.spec.selector:
            return
        wanted = slice_for(service, self._selected(service))
        published = self._views.slices.get(namespace, slice_name(service))
        if published is None:
            created = await self._client.create(ENDPOINT_SLICES, wanted, namespace, type=PublishedSlice)
            await self._views.slices.shows_new(created)
        elif not _published(wanted, published):
            labels = {"labels": wanted["metadata"]["labels"]}
            patch = {"metadata": labels, "endpoints": wanted["endpoints"], "ports": wanted["ports"]}
            await self._views.slices.shows(
                await self._client.patch(
                    ENDPOINT_SLICES, published.metadata.name, patch, namespace, type=PublishedSlice
                )
            )

    def _pod_changed(self, key: Key, before: Pod | None, after: Pod | None) -> None:
        if before is not None and after is None:
            self._started.pop(before.metadata.uid, None)
            self._told.pop(before.metadata.uid, None)

    async def _current_set(
        self, deployment: Deployment, owned: Sequence[ReplicaSet]
    ) -> tuple[ReplicaSet | None, Found]:
        """The ReplicaSet of the current template with the highest revision, created when missing unless paused."""
        meta = deployment.metadata
        digest = template_hash(deployment.spec.template)
        latest = max((revision_of(s) for s in owned), default=0)
        current = next((s for s in owned if s.metadata.name == f"{meta.name}-{digest}"), None)
        if current is None:
            if deployment.spec.paused:
                return None, Found.NONE
            manifest = replica_set_for(deployment, digest, latest + 1, 0)
            current = await self._client.create(REPLICA_SETS, manifest, meta.namespace, type=ReplicaSet)
            await self._views.replica_sets.shows_new(current)
            return current, Found.CREATED
        least = deployment.spec.min_ready_seconds
        if revision_of(current) < latest or current.spec.min_ready_seconds != least:
            revision = latest + 1 if revision_of(current) < latest else latest
            patch = {
                "metadata": {"annotations": {REVISION_ANNOTATION: str(revision)}},
                "spec": {"minReadySeconds": least},
            }
            current = await self._patch_set(meta.namespace, current.metadata.name, patch)
        return current, Found.EXISTING

    async def _patch_set(self, namespace: str, name: str, patch: object) -> ReplicaSet:
        answer = await self._client.patch(REPLICA_SETS, name, patch, namespace, type=ReplicaSet)
        await self._views.replica_sets.shows(answer)
        return answer

    async def _forget_history(self, deployment: Deployment, others: Sequence[ReplicaSet]) -> None:
        """Empty ReplicaSets beyond the history limit go, the oldest first."""
        limit = 10 if deployment.spec.revision_history_limit is None else deployment.spec.revision_history_limit
        empty = [s for s in others if s.replicas == 0 and s.status.replicas == 0]
        for replica_set in empty[: max(0, len(empty) - limit)]:
            await self._client.delete(REPLICA_SETS, replica_set.metadata.name, deployment.metadata.namespace)
            await self._views.replica_sets.lacks(replica_set)

    def _pods_of(self, replica_set: ReplicaSet) -> list[Pod]:
        owned = self._views.pods.by(replica_set.metadata.uid)
        return [p for p in owned if not p.metadata.deletion_timestamp and p.status.phase not in ("Failed", "Succeeded")]

    def _selected(self, service: Service) -> list[Pod]:
        selector = service.spec.selector or {}
        candidates = [self._views.pods.by((service.metadata.namespace, *label)) for label in selector.items()]
        return [pod for pod in min(candidates, key=len) if matches_labels(selector, pod.metadata.labels)]

    def _delay(self, pod: Pod) -> float:
        text = pod.metadata.annotations.get(START_DELAY_ANNOTATION)
        return self._start_delay if text is None else parse_duration(text)

    def _address(self) -> str:
        """The next fictional address of 10.244.0.0/16."""
        self._addresses += 1
        return f"10.244.{self._addresses // 250 % 256}.{self._addresses % 250 + 1}"


def rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _plan(deployment: Deployment, new: ReplicaSet | None, others: Sequence[ReplicaSet]) -> dict[str, int]:
    old, strategy = [_size(s) for s in others], deployment.spec.strategy
    if deployment.spec.paused or new is None:
        return paused_plan(deployment.replicas, None if new is None else _size(new), old, strategy)
    return plan(deployment.replicas, _size(new), old, strategy)


def _size(replica_set: ReplicaSet) -> Size:
    return Size(replica_set.metadata.name, replica_set.replicas, replica_set.status.available_replicas)


def _expendable(pods: Sequence[Pod]) -> list[Pod]:
    """Pods in the order in which they may go: those that are not ready first, then the youngest."""
    youngest = sorted(pods, key=lambda pod: (pod.metadata.creation_timestamp or "", pod.metadata.name), reverse=True)
    return sorted(youngest, key=lambda pod: pod.ready)


def _published(wanted: dict[str, object], current: PublishedSlice) -> bool:
    after = msgspec.convert(wanted, PublishedSlice)
    return (after.metadata.labels, after.endpoints, after.ports) == (
        current.metadata.labels,
        current.endpoints,
        current.ports,
    )
