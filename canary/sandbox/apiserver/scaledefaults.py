"""What the API server fills into autoscalers, budgets, network policies and kept revisions.

Source: k8s.io/kubernetes, the defaulting functions of autoscaling/v2, policy/v1 and networking/v1.
"""

from __future__ import annotations

from typing import Any

from canary.sandbox.apiserver.objects import Object
from canary.sandbox.apiserver.poddefaults import filled_list, filled_port
from canary.sandbox.apiserver.quantities import canonical

_PERCENT: Object = {"type": "Percent", "value": 100, "periodSeconds": 15}
_RULES: dict[str, Object] = {
    "scaleDown": {"policies": [_PERCENT], "selectPolicy": "Max"},
    "scaleUp": {
        "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, _PERCENT],
        "selectPolicy": "Max",
        "stabilizationWindowSeconds": 0,
    },
}
_CPU: Object = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
# What is not there yet is printed so.
NO_SCALING: Object = {"currentMetrics": None, "desiredReplicas": 0}
NO_DISRUPTIONS: Object = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}


def filled_autoscaler(obj: Object) -> Object:
    spec = {"maxReplicas": 0, **(obj.get("spec") or {})}
    spec.setdefault("minReplicas", 1)
    spec["metrics"] = filled_list(spec.get("metrics"), _metric) or [_CPU]
    behavior = spec.get("behavior")
    if isinstance(behavior, dict):
        spec["behavior"] = {name: {**rules, **(behavior.get(name) or {})} for name, rules in _RULES.items()}
    return {**obj, "spec": spec, "status": {**NO_SCALING, **(obj.get("status") or {})}}


def _metric(metric: Object) -> Object:
    resource: Any = metric.get("resource")
    if not isinstance(resource, dict) or not isinstance(resource.get("target"), dict):
        return metric
    target = resource["target"]
    amounts = {name: canonical(target[name]) for name in ("averageValue", "value") if name in target}
    return {**metric, "resource": {**resource, "target": {**target, **amounts}}}


def filled_budget(obj: Object) -> Object:
    return {**obj, "spec": obj.get("spec") or {}, "status": {**NO_DISRUPTIONS, **(obj.get("status") or {})}}


def filled_policy(obj: Object) -> Object:
    spec = {"podSelector": {}, **(obj.get("spec") or {})}
    spec = {name: value for name, value in spec.items() if value or name not in ("ingress", "egress", "policyTypes")}
    for name in ("ingress", "egress"):
        if name in spec:
            spec[name] = filled_list(spec[name], _rule)
    spec.setdefault("policyTypes", ["Ingress", "Egress"] if "egress" in spec else ["Ingress"])
    return {**obj, "spec": spec}


def _rule(rule: Object) -> Object:
    return {**rule, "ports": filled_list(rule["ports"], filled_port)} if rule.get("ports") else rule


def filled_revision(obj: Object) -> Object:
    return {"revision": 0, **obj}
