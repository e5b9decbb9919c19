"""Rules of the workload and the Services of a Canary: which of them a spec may name, and what can never change."""

from __future__ import annotations

from typing import Any

from canary.api.rule import Rule, given, has, present


def _only_managed(field_path: str) -> Rule:
    """The field makes sense only where the Services and the stable side are made for a workload."""
    path = field_path.removeprefix(".").split(".")
    return Rule(
        "spec",
        f"has(self.targetRef) || !has(self{field_path})",
        "must stand beside `targetRef`: with `backends` the Services and workloads are yours",
        lambda new, _old: has(new, "targetRef") or not has(new, *path),
        reason="FieldValueForbidden",
        field_path=field_path,
    )


def _not_root(side: str) -> Rule:
    return Rule(
        "spec",
        f"!has(self.backends) || self.backends.{side} != self.service.name",
        "must be another Service than the root, `service.name`",
        lambda new, _old: not has(new, "backends") or bool(new["backends"][side] != new["service"]["name"]),
        field_path=f".backends.{side}",
    )


def _named_apart(ports: list[dict[str, Any]]) -> bool:
    names = present(ports, "name")
    return len(ports) <= 1 or len(set(names)) == len(ports)


_MODES = (
    Rule(
        "spec",
        "has(self.targetRef) != has(self.backends)",
        "must have exactly one of `targetRef` and `backends`",
        lambda new, _old: given(new, "targetRef", "backends") == 1,
        reason="FieldValueRequired",
    ),
    Rule(
        "spec",
        "has(self.targetRef) == has(oldSelf.targetRef)",
        "must keep its mode: make a new Canary to change between `targetRef` and `backends`",
        lambda new, old: has(new, "targetRef") == has(old, "targetRef"),
        reason="FieldValueForbidden",
    ),
    _only_managed(".service.adopt"),
    _only_managed(".service.ports"),
    _only_managed(".canaryScale"),
    _only_managed(".autoscaler"),
)

_TARGET = (
    Rule(
        "spec.targetRef",
        "self == oldSelf",
        "must not change: make a new Canary for another workload",
        lambda new, old: bool(new == old),
        reason="FieldValueForbidden",
    ),
    Rule(
        "spec.targetRef.kind",
        "self in ['Deployment', 'Service']",
        "must be Deployment: StatefulSet and DaemonSet are not supported yet; "
        "Services of your own, whatever is behind them, can be used with `backends`",
        lambda new, _old: new in ("Deployment", "Service"),
    ),
    Rule(
        "spec.targetRef.kind",
        "self != 'Service'",
        "must be a workload: for Services use `backends` (services mode)",
        lambda new, _old: bool(new != "Service"),
    ),
    Rule(
        "spec.targetRef",
        "self.kind != 'Deployment' || self.apiVersion == 'apps/v1'",
        "must be apps/v1 for a Deployment",
        lambda new, _old: bool(new["kind"] != "Deployment" or new["apiVersion"] == "apps/v1"),
        field_path=".apiVersion",
    ),
    Rule(
        "spec.autoscaler",
        "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
        "`minReplicas` must not be greater than `maxReplicas`",
        lambda new, _old: (
            given(new, "minReplicas", "maxReplicas") < 2 or bool(new["minReplicas"] <= new["maxReplicas"])
        ),
        field_path=".minReplicas",
    ),
)

_SERVICES = (
    Rule(
        "spec.service.name",
        "self == oldSelf",
        "must not change: make a new Canary for another root Service",
        lambda new, old: bool(new == old),
        reason="FieldValueForbidden",
    ),
    Rule(
        "spec.service.ports",
        "self.size() <= 1 || self.all(p, has(p.name) && self.exists_one(q, has(q.name) && q.name == p.name))",
        "each port must have a `name` of its own when there is more than one",
        lambda new, _old: _named_apart(new),
        reason="FieldValueRequired",
    ),
    Rule(
        "spec.backends",
        "self.canary != self.stable",
        "must be another Service than `stable`",
        lambda new, _old: bool(new["canary"] != new["stable"]),
        field_path=".canary",
    ),
    _not_root("stable"),
    _not_root("canary"),
)

RULES: tuple[Rule, ...] = (*_MODES, *_TARGET, *_SERVICES)

__all__ = ["RULES"]
