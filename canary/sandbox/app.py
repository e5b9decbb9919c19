"""The manifests of a demo application: a root Service, and one Deployment with its Service for each release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canary.api.duration import format_duration
from canary.sandbox.mesh.behaviour import (
    ERRORS_ANNOTATION,
    LATENCY_ANNOTATION,
    SPREAD_ANNOTATION,
    VERSION_ANNOTATION,
)
from canary.sandbox.mesh.modelled import RATE_ANNOTATION

PORT = 80
TARGET_PORT = 9898


@dataclass(frozen=True, slots=True)
class Release:
    """One version of the application: how many pods it has and how they behave.

    `latency` is the median in seconds, `spread` the sigma of the log-normal around it, `errors` a percentage.
    """

    version: str
    replicas: int = 2
    errors: float = 0.0
    latency: float = 0.02
    spread: float = 0.25


@dataclass(frozen=True, slots=True)
class App:
    """An application called `name`; the release `6.1.2` is Deployment and Service `<name>-v6-1-2`."""

    name: str = "podinfo"
    namespace: str = "shop"

    def namespace_manifest(self) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}

    def backend(self, version: str) -> str:
        """The name of a release's Deployment and Service."""
        return f"{self.name}-v{version.replace('.', '-')}"

    def root(self, selected: Release | None = None, *, rate: float = 0.0) -> dict[str, Any]:
        """The root Service; it selects the pods of one release or of all.

        `rate` is the traffic in a modelled mesh, in requests per second.
        """
        labels = {"app": self.name} if selected is None else self._labels(selected)
        annotations = {RATE_ANNOTATION: f"{rate:g}"} if rate else {}
        return self._service(self.name, labels, annotations)

    def service(self, release: Release) -> dict[str, Any]:
        return self._service(self.backend(release.version), self._labels(release), {})

    def deployment(self, release: Release) -> dict[str, Any]:
        labels = self._labels(release)
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.backend(release.version), "namespace": self.namespace, "labels": dict(labels)},
            "spec": {
                "replicas": release.replicas,
                "selector": {"matchLabels": dict(labels)},
                "template": {
                    "metadata": {"labels": dict(labels), "annotations": behaviour_annotations(release)},
                    "spec": {
                        "containers": [
                            {
                                "name": self.name,
                                "image": f"sandbox/{self.name}:{release.version}",
                                "ports": [{"name": "http", "containerPort": TARGET_PORT}],
                            }
                        ]
                    },
                },
            },
        }

    def _labels(self, release: Release) -> dict[str, str]:
        return {"app": self.name, "version": release.version}

    def _service(self, name: str, selector: dict[str, str], annotations: dict[str, str]) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": self.namespace, "annotations": annotations},
            "spec": {
                "selector": selector,
                "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
            },
        }


def behaviour_annotations(release: Release) -> dict[str, str]:
    """What makes pods of the sandbox behave like this release."""
    return {
        VERSION_ANNOTATION: release.version,
        ERRORS_ANNOTATION: f"{release.errors:g}",
        LATENCY_ANNOTATION: format_duration(release.latency),
        SPREAD_ANNOTATION: f"{release.spread:g}",
    }
