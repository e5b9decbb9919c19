"""The pods behind each Service, listed when its ready endpoints name one that has not been seen."""

from __future__ import annotations

from collections.abc import Mapping

from canary.api.kinds import Pod, Service
from canary.kube.client import Client
from canary.kube.resources import PODS
from canary.workload.sides import PodFacts, pod_facts

_NONE: Mapping[str, PodFacts] = {}


class PodIndex:
    """Facts of pods by Service. Nothing is listed by itself: `missing` says whether `refresh` is due."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._facts: dict[tuple[str, str], dict[str, PodFacts]] = {}

    def facts(self, namespace: str, service: str) -> Mapping[str, PodFacts]:
        return self._facts.get((namespace, service), _NONE)

    def missing(self, namespace: str, service: str, names: frozenset[str]) -> bool:
        return not names <= self.facts(namespace, service).keys()

    async def refresh(self, service: Service) -> None:
        """List the pods that `service` selects. Raises `KubeError`; what was known stays."""
        selector = ",".join(f"{key}={value}" for key, value in sorted((service.spec.selector or {}).items()))
        namespace, name = service.metadata.namespace, service.metadata.name
        if not selector:
            self._facts[namespace, name] = {}
            return
        pods = await self._client.list(PODS, namespace, type=Pod, label_selector=selector, timeout=10.0)
        self._facts[namespace, name] = {pod.metadata.name: pod_facts(pod) for pod in pods.items}

    def drop(self, namespace: str, services: frozenset[str]) -> None:
        """Forget the pods of Services that nobody cares about any more."""
        for key in [k for k in self._facts if k[0] == namespace and k[1] not in services]:
            del self._facts[key]
