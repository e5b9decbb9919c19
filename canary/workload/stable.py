"""The Deployment of the stable side: the target's, with one label changed and a template that was promoted.

Its selector cannot be changed later, and two Deployments, Services or autoscalers whose selectors met would take each
other's pods: so one label of the selector has another value on the stable side.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from canary.api.names import REVISION_ANNOTATION, SEQ_ANNOTATION
from canary.workload.affinity import relabel_placement
from canary.workload.ownership import STABLE_SUFFIX, Mark
from canary.workload.selectors import relabelled, selects

JSON = dict[str, Any]

PREFERRED_KEYS = ("app.kubernetes.io/name", "app", "name")
_MAX_NAME = 253
_MAX_LABEL = 63
_DEFAULT_SURGE = "25%"
_ZERO = frozenset({0, "0", "0%"})
_COPIED = ("minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit")


class Unsupported(ValueError):
    """The target cannot be rolled out as it is; the message names the field and says what it would need."""


class SideLabel(NamedTuple):
    """The label by which the two sides differ: `value` on the candidate's side."""

    key: str
    value: str

    @property
    def stable(self) -> str:
        """The value on the stable side."""
        return self.value + STABLE_SUFFIX


def side_key(selector: Mapping[str, Any]) -> str:
    """The key of a Deployment's selector whose value differs on the stable side.

    The first of app.kubernetes.io/name, app and name that matchLabels has, else the first key in alphabetical order.
    Raises `Unsupported` without matchLabels, or for a value that leaves no room for the suffix.
    """
    labels = selector.get("matchLabels") or {}
    if not labels:
        raise Unsupported("spec.selector.matchLabels of the target is empty: it needs a label to tell the sides apart")
    key = next((key for key in PREFERRED_KEYS if key in labels), min(labels))
    value = labels[key]
    if not value:
        raise Unsupported(f"spec.selector.matchLabels[{key}] of the target is empty: it needs a value")
    if len(value) + len(STABLE_SUFFIX) > _MAX_LABEL:
        raise Unsupported(
            f"spec.selector.matchLabels[{key}] of the target is longer than {_MAX_LABEL - len(STABLE_SUFFIX)} "
            f"characters: {value}{STABLE_SUFFIX} would be no label value"
        )
    return key


def side_label(target: Mapping[str, Any]) -> SideLabel:
    """The label by which the sides of a target Deployment differ. Raises `Unsupported` for a target that has no copy:
    looked at before anything is made.
    """
    spec = target["spec"]
    name = target["metadata"]["name"]
    if len(name) + len(STABLE_SUFFIX) > _MAX_NAME:
        raise Unsupported(f"metadata.name of the target is longer than {_MAX_NAME - len(STABLE_SUFFIX)} characters")
    if (spec.get("strategy") or {}).get("type") == "Recreate":
        raise Unsupported(
            "spec.strategy.type of the target is Recreate: it must be RollingUpdate, a promotion replaces pods in use"
        )
    key = side_key(spec["selector"])
    label = SideLabel(key, spec["selector"]["matchLabels"][key])
    stable_selector(target, label)
    template = stable_template(spec["template"], *label)
    if not selects(stable_selector(target, label), template["metadata"]["labels"]):
        raise Unsupported(
            f"spec.selector of the target would not select pods with {key}: {label.stable}: "
            "leave that key to matchLabels alone"
        )
    return label


def stable_selector(target: Mapping[str, Any], label: SideLabel) -> JSON:
    """The target's selector, for the pods of the stable side."""
    return copy.deepcopy(relabelled(target["spec"]["selector"], label.key, label.value, label.stable))


def stable_template(template: Mapping[str, Any], key: str, value: str, namespace: str = "") -> JSON:
    """A pod template for the stable side: its label `key`, and every affinity and topology spread that selects pods by
    it in `namespace`, have `<value>-stable` for `value`. All else is as it was.

    Raises `Unsupported` when the template does not have the label.
    """
    result = copy.deepcopy(dict(template))
    label = SideLabel(key, value)
    labels = (result.get("metadata") or {}).get("labels") or {}
    if labels.get(key) != value:
        raise Unsupported(f"spec.template.metadata.labels[{key}] of the target must be {value}, as its selector says")
    labels[key] = label.stable
    relabel_placement(result.get("spec") or {}, key, value, label.stable, namespace)
    return result


def stable_deployment(
    target: Mapping[str, Any],
    template: Mapping[str, Any],
    *,
    label: SideLabel,
    replicas: int | None,
    mark: Mark,
    revision: str,
    seq: int,
) -> JSON:
    """The Deployment `<target>-stable`, running `template`, a template of the target as it was pinned.

    Which revision that is stands in the same object, so that one write changes both. `replicas` is absent from the
    result when it is `None`: an autoscaler writes it. Raises `Unsupported`.
    """
    spec: Mapping[str, Any] = target["spec"]
    result: JSON = {key: spec[key] for key in _COPIED if spec.get(key) is not None}
    if replicas is not None:
        result["replicas"] = replicas
    result |= {
        "selector": stable_selector(target, label),
        "strategy": _strategy(spec.get("strategy") or {}),
        "template": stable_template(template, label.key, label.value, mark.namespace),
    }
    annotations = {REVISION_ANNOTATION: revision, SEQ_ANNOTATION: str(seq)}
    name = target["metadata"]["name"] + STABLE_SUFFIX
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": mark.metadata(name, target, **annotations),
        "spec": result,
    }


def _strategy(strategy: Mapping[str, Any]) -> JSON:
    """A rolling update that takes no pod away before its successor is there: all traffic may be on this side.

    The two may not both be zero. Source: Kubernetes, Deployments, "Rolling Update Deployment".
    """
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        raise Unsupported("spec.strategy.type of the target must be RollingUpdate: a promotion replaces pods in use")
    surge = (strategy.get("rollingUpdate") or {}).get("maxSurge")
    if surge is None:
        surge = _DEFAULT_SURGE
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1 if surge in _ZERO else surge},
    }
