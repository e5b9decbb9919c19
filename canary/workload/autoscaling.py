"""Copies of what scales and protects the target's pods, for those of the stable side.

An autoscaler of both sides at once would mix their load; a budget of the candidate's pods alone would let a drain take
away every pod that serves.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from canary.workload.ownership import Mark, stable_name
from canary.workload.selectors import selects

JSON = dict[str, Any]

PAUSED = "autoscaling.keda.sh/paused"
PAUSED_REPLICAS = "autoscaling.keda.sh/paused-replicas"
# KEDA makes an autoscaler `keda-hpa-<name>` for each ScaledObject and labels it with the names.
# Source: KEDA, package controllers/keda, getDefaultHpaName.
_MAX_SCALED_OBJECT = 63 - len("keda-hpa-")
_KEDA_MIN, _KEDA_MAX = 0, 100


def autoscaler_of(autoscalers: Iterable[JSON], target: Mapping[str, Any]) -> JSON | None:
    """The HorizontalPodAutoscaler or ScaledObject among `autoscalers` that scales `target`; `None` without one.

    The autoscaler that KEDA makes of a ScaledObject is not the user's: the ScaledObject is. Of several, which would
    undo each other's work, the first by name.
    """
    found = [one for one in autoscalers if _scales(one, target) and not _made_by_keda(one)]
    return min(found, key=lambda one: str(one["metadata"]["name"]), default=None)


def stable_autoscaler(
    hpa: Mapping[str, Any],
    *,
    target_stable: str,
    mark: Mark,
    min_replicas: int | None = None,
    max_replicas: int | None = None,
    floor: int | None = None,
) -> JSON:
    """The HorizontalPodAutoscaler (autoscaling/v2) `<hpa>-stable`; metrics and behaviour are the original's.

    `min_replicas` and `max_replicas` replace its bounds; `floor` is stable's size at the start of a rollout, below
    which it does not go while all traffic may come back.
    """
    spec = hpa["spec"]
    low, high = _bounds(spec.get("minReplicas", 1), spec["maxReplicas"], min_replicas, max_replicas, floor)
    copied = {key: copy.deepcopy(spec[key]) for key in ("metrics", "behavior") if spec.get(key)}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": mark.metadata(stable_name(hpa["metadata"]["name"]), hpa),
        "spec": {
            "scaleTargetRef": _reference(spec["scaleTargetRef"], target_stable),
            "minReplicas": low,
            "maxReplicas": high,
            **copied,
        },
    }


def stable_scaled_object(
    scaled: Mapping[str, Any],
    *,
    target_stable: str,
    mark: Mark,
    min_replicas: int | None = None,
    max_replicas: int | None = None,
    floor: int | None = None,
) -> JSON:
    """KEDA's ScaledObject `<name>-stable` (keda.sh/v1alpha1): triggers are the original's, bounds as for an autoscaler.

    With a `floor` it does not go idle. A name that was given to KEDA's own autoscaler cannot be had twice.
    """
    spec: JSON = copy.deepcopy(dict(scaled["spec"]))
    low, high = _bounds(
        spec.get("minReplicaCount", _KEDA_MIN),
        spec.get("maxReplicaCount", _KEDA_MAX),
        min_replicas,
        max_replicas,
        floor,
    )
    spec |= {
        "scaleTargetRef": _reference(spec["scaleTargetRef"], target_stable),
        "minReplicaCount": low,
        "maxReplicaCount": high,
    }
    # Must be less than the minimum. Source: KEDA, ScaledObject specification, idleReplicaCount.
    if floor or spec.get("idleReplicaCount", low) >= low:
        spec.pop("idleReplicaCount", None)
    advanced = (spec.get("advanced") or {}).get("horizontalPodAutoscalerConfig") or {}
    if advanced.get("name"):
        advanced["name"] = stable_name(advanced["name"])
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": mark.metadata(stable_name(scaled["metadata"]["name"], _MAX_SCALED_OBJECT), scaled),
        "spec": spec,
    }


def paused_by(scaled: Mapping[str, Any], manager: str) -> tuple[bool, bool]:
    """Whether `manager` holds a ScaledObject at a number of replicas, and whether somebody else pauses it.

    Sources: KEDA, Scaling Deployments, "Pausing autoscaling"; Kubernetes, "Server-Side Apply", field management.
    """
    metadata = scaled["metadata"]
    annotations = metadata.get("annotations") or {}
    ours = PAUSED_REPLICAS in annotations and any(
        entry.get("manager") == manager and f"f:{PAUSED_REPLICAS}" in _owned_annotations(entry)
        for entry in metadata.get("managedFields") or ()
    )
    paused = PAUSED_REPLICAS in annotations or annotations.get(PAUSED, "false") != "false"
    return ours, paused and not ours


def _owned_annotations(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    owned: Mapping[str, Any] = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {}
    return owned


def stable_budget(
    budget: Mapping[str, Any],
    *,
    candidate: Mapping[str, str],
    stable: Mapping[str, str],
    selector: Mapping[str, Any],
    mark: Mark,
) -> JSON | None:
    """The PodDisruptionBudget `<name>-stable` over the pods that the stable Deployment's `selector` selects.

    `candidate` and `stable` are labels of the two sides' pods. `None` for a budget that does not select the candidate's
    pods, or that selects both sides': a pod with two budgets cannot be evicted at all.
    Source: Kubernetes, "Specifying a Disruption Budget for your Application", and the Eviction API.
    """
    spec = budget["spec"]
    if not selects(spec.get("selector"), candidate) or selects(spec.get("selector"), stable):
        return None
    kept = {key: copy.deepcopy(value) for key, value in spec.items() if key != "selector"}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": mark.metadata(stable_name(budget["metadata"]["name"]), budget),
        "spec": {"selector": copy.deepcopy(dict(selector)), **kept},
    }


def _bounds(
    low: int, high: int, min_replicas: int | None, max_replicas: int | None, floor: int | None
) -> tuple[int, int]:
    low = max(low if min_replicas is None else min_replicas, floor or 0)
    return low, max(high if max_replicas is None else max_replicas, low, 1)


def _reference(reference: Mapping[str, Any], name: str) -> JSON:
    return {**reference, "name": name}


def _scales(autoscaler: JSON, target: Mapping[str, Any]) -> bool:
    """KEDA's references mean a Deployment when they say nothing; versions of a group are the same object."""
    reference = autoscaler["spec"]["scaleTargetRef"]
    group = str(reference.get("apiVersion") or "apps/v1").partition("/")[0]
    return (
        reference.get("name") == target["metadata"]["name"]
        and (reference.get("kind") or "Deployment") == target.get("kind", "Deployment")
        and group == str(target.get("apiVersion", "apps/v1")).partition("/")[0]
    )


def _made_by_keda(autoscaler: JSON) -> bool:
    owners = autoscaler["metadata"].get("ownerReferences") or ()
    return any(owner.get("controller") and owner.get("kind") == "ScaledObject" for owner in owners)
