"""Schemas of the built-in kinds that stand beside a workload: autoscalers, budgets, policies, kept revisions."""

from __future__ import annotations

from canary.sandbox.apiserver.openapi.shorthand import Short

_SCALING_RULES: Short = {
    "": "How fast replicas follow the metrics in one direction.",
    "policies": [{"periodSeconds": "integer*", "type": "string* | Pods or Percent.", "value": "integer*"}],
    "selectPolicy": "string | Max, Min or Disabled.",
    "stabilizationWindowSeconds": "integer | Seconds over which recommendations are looked back at.",
    "tolerance": "string",
}
_METRIC: Short = {
    "": "A metric and its target.",
    "containerResource": "object",
    "external": "object",
    "object": "object",
    "pods": "object",
    "resource": {
        "": "A resource of the pods, such as cpu.",
        "name": "string*",
        "target": {
            "averageUtilization": "integer | Percent of what the pods request.",
            "averageValue": "IntOrString",
            "type": "string* | Utilization, Value or AverageValue.",
            "value": "IntOrString",
        },
    },
    "type": "string* | Resource, ContainerResource, Pods, Object or External.",
}
_PEERS: Short = [
    {
        "ipBlock": {"cidr": "string*", "except": "string[]"},
        "namespaceSelector": "LabelSelector",
        "podSelector": "LabelSelector",
    }
]
_PORTS: Short = [{"endPort": "integer", "port": "IntOrString", "protocol": "string | TCP, UDP or SCTP."}]

KINDS: dict[tuple[str, str], dict[str, Short]] = {
    ("apps", "ControllerRevision"): {
        "": "A state that a controller keeps, which never changes.",
        "data": "raw | The state.",
        "revision": "int64* | Its number.",
    },
    ("autoscaling", "HorizontalPodAutoscaler"): {
        "": "Scales a workload by metrics.",
        "spec": {
            "behavior": {"scaleDown": _SCALING_RULES, "scaleUp": _SCALING_RULES},
            "maxReplicas": "integer* | The most replicas that it scales to.",
            "metrics": [_METRIC],
            "minReplicas": "integer | The fewest; 1 by default.",
            "scaleTargetRef": {"apiVersion": "string", "kind": "string*", "name": "string*"},
        },
        "status": {
            "conditions": ["Condition"],
            "currentMetrics": "object[]",
            "currentReplicas": "integer",
            "desiredReplicas": "integer",
            "lastScaleTime": "time",
            "observedGeneration": "int64",
        },
    },
    ("policy", "PodDisruptionBudget"): {
        "": "How many pods may be evicted at once.",
        "spec": {
            "maxUnavailable": "IntOrString",
            "minAvailable": "IntOrString",
            "selector": "LabelSelector",
            "unhealthyPodEvictionPolicy": "string | IfHealthyBudget or AlwaysAllow.",
        },
        "status": {
            "conditions": ["Condition"],
            "currentHealthy": "integer*",
            "desiredHealthy": "integer*",
            "disruptedPods": "map",
            "disruptionsAllowed": "integer*",
            "expectedPods": "integer*",
            "observedGeneration": "int64",
        },
    },
    ("networking.k8s.io", "NetworkPolicy"): {
        "": "Who may talk to which pods.",
        "spec": {
            "egress": [{"ports": _PORTS, "to": _PEERS}],
            "ingress": [{"from": _PEERS, "ports": _PORTS}],
            "podSelector": "LabelSelector",
            "policyTypes": "string[] | Ingress, Egress or both.",
        },
    },
}
