"""What must be right of Deployments and of the other workloads that have a pod template.

Source: k8s.io/kubernetes, package apps/validation, `ValidateDeploymentSpec` and `ValidateDeploymentUpdate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canary.sandbox.apiserver.objects import Object, dig
from canary.sandbox.apiserver.schema import Cause, causes
from canary.sandbox.apiserver.selectors import selects
from canary.sandbox.apiserver.shares import is_nothing, share_problems
from canary.sandbox.apiserver.templaterules import template_problems

_COUNTS = ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
_STRATEGIES = ("Recreate", "RollingUpdate")


def workload_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    """Of a ReplicaSet or a StatefulSet; a Deployment has more."""
    spec = obj.get("spec") or {}
    selector, template = spec.get("selector"), spec.get("template")
    labels = dig(template, ("metadata", "labels")) or {}
    if selector is None:
        yield causes.required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield causes.invalid("spec.selector", selector, "empty selector is invalid for deployment")
    if selector is None or not selects(selector, labels):
        yield causes.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from template_problems(template, "spec.template")
    for name in _COUNTS:
        if isinstance(spec.get(name), int) and spec[name] < 0:
            yield causes.invalid(f"spec.{name}", spec[name], "must be greater than or equal to 0")
    if old is not None and dig(old, ("spec", "selector")) != selector:
        yield causes.invalid("spec.selector", selector, "field is immutable")


def deployment_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from workload_problems(obj, old)
    spec = obj.get("spec") or {}
    yield from _strategy_problems(spec.get("strategy") or {})
    deadline = spec.get("progressDeadlineSeconds")
    if isinstance(deadline, int) and deadline <= (spec.get("minReadySeconds") or 0):
        yield causes.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _strategy_problems(strategy: Object) -> Iterator[Cause]:
    kind, limits = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate" and limits is not None:
        detail = "may not be specified when strategy `type` is 'Recreate'"
        yield causes.forbidden("spec.strategy.rollingUpdate", detail)
    elif kind == "RollingUpdate":
        yield from _limit_problems(limits or {})
    elif kind not in _STRATEGIES:
        yield causes.not_supported("spec.strategy", strategy, _STRATEGIES)


def _limit_problems(limits: Any) -> Iterator[Cause]:
    path = "spec.strategy.rollingUpdate"
    surge, unavailable = limits.get("maxSurge", 0), limits.get("maxUnavailable", 0)
    yield from share_problems(unavailable, f"{path}.maxUnavailable", at_most_all=True)
    yield from share_problems(surge, f"{path}.maxSurge")
    if is_nothing(surge) and is_nothing(unavailable):
        yield causes.invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
