"""KEDA's part: what its operator does with ScaledObjects, for a trigger that is always active.

It makes an autoscaler for each, starts a target that is at zero, and holds one whose object is paused.
Sources: KEDA, "Scaling Deployments, StatefulSets & Custom Resources", and the ScaledObject specification.
"""

from __future__ import annotations

import threading
from typing import Any, Self

from e2e.managed.shop import AUTOSCALERS, ManagedShop
from e2e.plane.api import RequestFailed
from e2e.shop import DEPLOYMENTS, NAME

SCALED_OBJECTS = "/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects"
PAUSED = "autoscaling.keda.sh/paused-replicas"
MANAGER = "keda"
PERIOD = 0.2
"""Seconds between two looks; KEDA's `pollingInterval` is 30 by default."""
JSON = dict[str, Any]


def scaled_object(minimum: int = 2, maximum: int = 4) -> JSON:
    """What a user of KEDA keeps in Git for `web`."""
    trigger = {"type": "prometheus", "metadata": {"serverAddress": "http://prometheus", "query": "q", "threshold": "9"}}
    spec = {
        "scaleTargetRef": {"name": NAME},
        "minReplicaCount": minimum,
        "maxReplicaCount": maximum,
        "triggers": [trigger],
    }
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": NAME}, "spec": spec}


class Keda:
    """Works for one namespace while its `with` block runs. `started` counts the targets that it took from zero."""

    def __init__(self, shop: ManagedShop) -> None:
        self.looks = self.started = 0
        self._shop = shop
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keda", daemon=True)
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def until_looked(self, times: int = 5) -> None:
        """Until it has looked so often again."""
        mark = self.looks
        self._shop.until(lambda: self.looks >= mark + times, "looks of KEDA")

    def _run(self) -> None:
        try:
            while not self._stopped.wait(PERIOD):
                for one in self._list():
                    self._serve(one)
                self.looks += 1
        except BaseException as error:
            self._failure = error

    def _list(self) -> list[JSON]:
        found: list[JSON] = self._shop.plane.api.json("GET", SCALED_OBJECTS.format(namespace=self._shop.namespace))[
            "items"
        ]
        return found

    def _serve(self, one: JSON) -> None:
        target, spec = self._shop.deployment(one["spec"]["scaleTargetRef"]["name"]), one["spec"]
        if target is None or "deletionTimestamp" in one["metadata"]:
            return
        held = (one["metadata"].get("annotations") or {}).get(PAUSED)
        self._keep_autoscaler(one, wanted=held is None)
        replicas = int(target["spec"]["replicas"])
        least = max(spec.get("minReplicaCount", 0), 1)
        wanted = int(held) if held is not None else replicas or least
        if wanted != replicas:
            self.started += replicas == 0
            self._scale(target["metadata"]["name"], wanted)

    def _keep_autoscaler(self, one: JSON, *, wanted: bool) -> None:
        name = autoscaler_name(one["metadata"]["name"])
        there = self._shop.get(AUTOSCALERS, name)
        if wanted and there is None:
            self._shop.create(AUTOSCALERS, autoscaler(one))
        elif wanted and there is not None and there["spec"] | autoscaler(one)["spec"] != there["spec"]:
            self._shop.patch(AUTOSCALERS, name, {"spec": autoscaler(one)["spec"]})
        elif not wanted and there is not None:
            self._shop.delete(AUTOSCALERS, name)

    def _scale(self, name: str, replicas: int) -> None:
        path = f"{DEPLOYMENTS.format(namespace=self._shop.namespace)}/{name}/scale?fieldManager={MANAGER}"
        try:
            merge = "application/merge-patch+json"
            self._shop.plane.api.json("PATCH", path, {"spec": {"replicas": replicas}}, content_type=merge)
        except RequestFailed as error:
            if error.code != 404:
                raise


def autoscaler_name(scaled: str) -> str:
    return f"keda-hpa-{scaled}"


def autoscaler(one: JSON) -> JSON:
    """The HorizontalPodAutoscaler that KEDA makes of a ScaledObject, with its labels and its owner."""
    metadata, spec = one["metadata"], one["spec"]
    name = autoscaler_name(metadata["name"])
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/managed-by": "keda-operator",
        "app.kubernetes.io/part-of": metadata["name"],
        "scaledobject.keda.sh/name": metadata["name"],
    }
    owner = {
        "apiVersion": one["apiVersion"],
        "kind": "ScaledObject",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metric = {
        "metric": {
            "name": "s0-prometheus",
            "selector": {"matchLabels": {"scaledobject.keda.sh/name": metadata["name"]}},
        },
        "target": {"type": "AverageValue", "averageValue": "9"},
    }
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": spec["scaleTargetRef"]["name"]}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "labels": labels, "ownerReferences": [owner]},
        "spec": {
            "scaleTargetRef": reference,
            "minReplicas": max(spec.get("minReplicaCount", 0), 1),
            "maxReplicas": spec.get("maxReplicaCount", 100),
            "metrics": [{"type": "External", "external": metric}],
        },
    }
