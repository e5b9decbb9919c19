"""Where pods want to run, by the labels of other pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from canary.workload.selectors import relabelled

JSON = dict[str, Any]


def relabel_placement(spec: JSON, key: str, old: str, new: str, namespace: str = "") -> None:
    """Let the affinity, anti-affinity and topology spread of a pod spec that select by `old` of `key` select by `new`.

    Changes `spec` in place. A term about other namespaces means other pods, and stays. `namespace` is that of the pod.
    """
    for holder in (*_affinity_terms(spec, namespace), *(spec.get("topologySpreadConstraints") or ())):
        if holder.get("labelSelector"):
            holder["labelSelector"] = relabelled(holder["labelSelector"], key, old, new)


def _affinity_terms(spec: Mapping[str, Any], namespace: str) -> Iterator[JSON]:
    """The terms that may mean pods beside this one.

    Source: Kubernetes, core/v1 PodAffinityTerm.
    """
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms = [
            *(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()),
            *(weighted.get("podAffinityTerm") or {} for weighted in preferred),
        ]
        for term in terms:
            named = term.get("namespaces") or ()
            if not named or namespace in named or not namespace or term.get("namespaceSelector") is not None:
                yield term
