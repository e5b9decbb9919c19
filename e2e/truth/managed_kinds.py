"""What generated sequences do to the kinds of managed mode. Some of the edits are refused, and some are dropped."""

from __future__ import annotations

from canary.kube.resources import REPLICA_SETS
from e2e.truth.managed_objects import (
    AUTOSCALERS,
    BUDGETS,
    CONTROLLER_REVISIONS,
    NETWORK_POLICIES,
    SECRETS,
    autoscaler,
    budget,
    controller_revision,
    network_policy,
    replica_set,
    secret,
)
from e2e.truth.playable import Edit, Kind, labelled

_POLICY = {"type": "Pods", "value": 1, "periodSeconds": 30}

# Of a Deployment, beside those that any sequence had.
TEMPLATES: tuple[Edit, ...] = (
    {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web"}]}}}},
    {"spec": {"template": {"spec": {"volumes": [{"name": "config", "configMap": {"name": "web"}}]}}}},
    {"spec": {"template": {"spec": {"serviceAccountName": "web", "restartPolicy": "Always"}}}},
    {"spec": {"template": {"spec": {"restartPolicy": "Never"}}}},
    {"spec": {"template": {"metadata": {"annotations": {"a": "1"}}}}},
    {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}},
    {"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}}},
    {"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 0}}}},
    {"spec": {"progressDeadlineSeconds": 5}},
    {"spec": {"revisionHistoryLimit": None}},
    {"metadata": {"annotations": {"canary.delivery/seq": "7"}}},
)
MANAGED: tuple[Kind, ...] = (
    Kind(
        (CONTROLLER_REVISIONS,),
        labelled(controller_revision),
        (
            {"revision": 2},
            {"revision": None},
            {"revision": -1},
            {"revision": "x"},
            {"data": {"template": {"spec": {"replicas": 1}}}},
            {"data": None},
            {"data": {"more": [1, "x"]}},
            {"odd": 1},
        ),
        8,
    ),
    Kind(
        (AUTOSCALERS,),
        labelled(autoscaler),
        (
            {"spec": {"minReplicas": 3}},
            {"spec": {"minReplicas": None}},
            {"spec": {"minReplicas": 9}},
            {"spec": {"maxReplicas": 8}},
            {"spec": {"maxReplicas": "8"}},
            {"spec": {"metrics": None}},
            {"spec": {"behavior": {"scaleDown": {"policies": [_POLICY]}}}},
            {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}}},
            {"spec": {"behavior": None}},
            {"spec": {"scaleTargetRef": {"name": "web-stable"}}},
            {"spec": {"scaleTargetRef": None}},
            {"spec": {"odd": 1}},
        ),
        9,
        statuses=(
            {"status": {"currentReplicas": 2, "desiredReplicas": 3}},
            {"status": {"desiredReplicas": 4}, "spec": {"minReplicas": 1}},
            {"status": {"odd": 1}},
        ),
    ),
    Kind(
        (BUDGETS,),
        labelled(budget),
        (
            {"spec": {"minAvailable": 2}},
            {"spec": {"minAvailable": None, "maxUnavailable": "50%"}},
            {"spec": {"maxUnavailable": 1}},
            {"spec": {"minAvailable": "x"}},
            {"spec": {"selector": {"matchLabels": {"app": "web-stable"}}}},
            {"spec": {"selector": None}},
            {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}},
            {"spec": {"odd": 1}},
            {"spec": {"odd": 1}},
        ),
        9,
        statuses=(
            {"status": {"currentHealthy": 1, "desiredHealthy": 1, "disruptionsAllowed": 0, "expectedPods": 2}},
            {"status": {"disruptionsAllowed": 1}, "spec": {"minAvailable": 5}},
        ),
    ),
    Kind(
        (NETWORK_POLICIES,),
        labelled(network_policy),
        (
            {"spec": {"podSelector": {"matchLabels": {"app": "web-stable"}}}},
            {"spec": {"egress": [{}]}},
            {"spec": {"policyTypes": ["Egress"]}},
            {"spec": {"policyTypes": ["Other"]}},
            {"spec": {"policyTypes": None}},
            {"spec": {"ingress": None}},
            {"spec": {"ingress": [{"ports": [{"port": 81}]}]}},
            {"spec": {"odd": 1}},
        ),
        8,
    ),
    Kind(
        (REPLICA_SETS,),
        labelled(replica_set),
        (
            {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}},
            {"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}},
            {"spec": {"template": {"metadata": {"labels": {"set": "other"}}}}},
            {"spec": {"selector": {"matchLabels": {"set": "other"}}}},
            {"spec": {"minReadySeconds": 5}},
            {"spec": {"replicas": -1}},
            {"spec": {"replicas": "3"}},
            {"spec": {"odd": 1}},
        ),
        8,
    ),
    Kind(
        (SECRETS,),
        labelled(secret),
        (
            {"stringData": {"key": "other"}},
            {"data": {"more": "eA=="}},
            {"data": {"more": "?"}},
            {"data": None},
            {"immutable": True},
            {"type": "other"},
            {"odd": 1},
        ),
        8,
    ),
)
