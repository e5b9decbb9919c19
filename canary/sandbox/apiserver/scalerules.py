"""What must be right of autoscalers, budgets, network policies and kept revisions.

Source: k8s.io/kubernetes, packages autoscaling/validation, policy/validation, networking/validation and
apps/validation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from canary.sandbox.apiserver.objects import Object
from canary.sandbox.apiserver.schema import Cause, causes
from canary.sandbox.apiserver.shares import share_problems

_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_POLICIES = ("Percent", "Pods")
_SELECTIONS = ("Disabled", "Max", "Min")
_LONGEST_WINDOW, _LONGEST_PERIOD = 3600, 1800


def autoscaler_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    least, most = spec.get("minReplicas") or 0, spec.get("maxReplicas") or 0
    if least < 1:
        yield causes.invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield causes.required("spec.maxReplicas", "must be set and greater than 0")
    if most < least:
        yield causes.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    yield from _target_problems(spec.get("scaleTargetRef") or {})
    metrics = [metric if isinstance(metric, dict) else {} for metric in spec.get("metrics") or ()]
    for index, metric in enumerate(metrics):
        yield from _metric_problems(metric, f"spec.metrics[{index}]")
    if least == 0 and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield causes.forbidden("spec.metrics", detail)
    for name, rules in (spec.get("behavior") or {}).items():
        yield from _rules_problems(rules, f"spec.behavior.{name}")


def _target_problems(target: Object) -> Iterator[Cause]:
    for name in ("kind", "name"):
        if not target.get(name):
            yield causes.required(f"spec.scaleTargetRef.{name}")
    if "/" not in (target.get("apiVersion") or "") and target.get("kind") != "ReplicationController":
        at = "spec.scaleTargetRef.apiVersion"
        yield causes.invalid(at, target.get("apiVersion") or "", "apiVersion must specify API group")


def _metric_problems(metric: Object, path: str) -> Iterator[Cause]:
    kind = metric.get("type")
    if not kind:
        yield causes.required(f"{path}.type", "must specify a metric source type")
        return
    if kind not in _SOURCES:
        yield causes.not_supported(f"{path}.type", kind, sorted(_SOURCES))
        return
    source = metric.get(_SOURCES[kind])
    if not isinstance(source, dict):
        yield causes.required(f"{path}.{_SOURCES[kind]}", "must populate information for the given metric source")
    elif kind == "Resource":
        yield from _resource_problems(source, f"{path}.resource")


def _resource_problems(source: Object, path: str) -> Iterator[Cause]:
    if not source.get("name"):
        yield causes.required(f"{path}.name", "must specify a resource name")
    target = source.get("target") or {}
    share, value = target.get("averageUtilization"), target.get("averageValue")
    if not target.get("type"):
        yield causes.required(f"{path}.target.type", "must specify a metric target type")
    elif target["type"] not in ("Utilization", "Value", "AverageValue"):
        detail = "must be either Utilization, Value, or AverageValue"
        yield causes.invalid(f"{path}.target.type", target["type"], detail)
    if isinstance(share, int) and share < 1:
        yield causes.invalid(f"{path}.target.averageUtilization", share, "must be greater than 0")
    if share is None and value is None:
        detail = "must set either a target raw value or a target utilization"
        yield causes.required(f"{path}.target.averageUtilization", detail)
    if share is not None and value is not None:
        detail = "may not set both a target raw value and a target utilization"
        yield causes.forbidden(f"{path}.target.averageValue", detail)


def _rules_problems(rules: Any, path: str) -> Iterator[Cause]:
    window = rules.get("stabilizationWindowSeconds") or 0
    if window < 0:
        yield causes.invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window > _LONGEST_WINDOW:
        detail = f"must be less than or equal to {_LONGEST_WINDOW}"
        yield causes.invalid(f"{path}.stabilizationWindowSeconds", window, detail)
    if rules.get("selectPolicy") not in _SELECTIONS:
        yield causes.not_supported(f"{path}.selectPolicy", rules.get("selectPolicy"), _SELECTIONS)
    if not rules.get("policies"):
        yield causes.required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.get("policies") or ()):
        yield from _policy_problems(policy, f"{path}.policies[{index}]")


def _policy_problems(policy: Object, path: str) -> Iterator[Cause]:
    if policy.get("type") not in _POLICIES:
        yield causes.not_supported(f"{path}.type", policy.get("type"), _POLICIES)
    for name in ("value", "periodSeconds"):
        number = policy.get(name) or 0
        if number <= 0:
            yield causes.invalid(f"{path}.{name}", number, "must be greater than zero")
        if name == "periodSeconds" and number > _LONGEST_PERIOD:
            yield causes.invalid(f"{path}.{name}", number, f"must be less than or equal to {_LONGEST_PERIOD}")


def budget_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield causes.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for name in ("minAvailable", "maxUnavailable"):
        yield from share_problems(spec.get(name), f"spec.{name}", at_most_all=True)
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy not in (None, "AlwaysAllow", "IfHealthyBudget"):
        yield causes.not_supported("spec.unhealthyPodEvictionPolicy", policy, ("AlwaysAllow", "IfHealthyBudget"))


def policy_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    for index, name in enumerate((obj.get("spec") or {}).get("policyTypes") or ()):
        if name not in ("Ingress", "Egress"):
            yield causes.not_supported(f"spec.policyTypes[{index}]", name, ("Ingress", "Egress"))


def revision_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    """The data may not change, not even in the order of its fields: it is compared as it is written."""
    data, number = obj.get("data"), obj.get("revision") or 0
    if number < 0:
        yield causes.invalid("revision", number, "must be greater than or equal to 0")
    if old is not None:
        if json.dumps(data) != json.dumps(old.get("data")):
            yield causes.invalid("data", data, "field is immutable")
    elif data is None:
        yield causes.required("data", "data is mandatory")
    elif not isinstance(data, dict):
        yield causes.required("data", "data must be a valid JSON object")
