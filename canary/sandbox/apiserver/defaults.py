"""What the API server fills into the built-in kinds, as far as clients and controllers look at it.

Source: k8s.io/kubernetes, the defaulting functions of core/v1 and apps/v1.
"""

from __future__ import annotations

import base64

from canary.sandbox.apiserver.objects import Object, dig, edited
from canary.sandbox.apiserver.poddefaults import (
    Filler,
    filled_list,
    filled_pod_spec,
    filled_port,
    filled_template,
)
from canary.sandbox.apiserver.scaledefaults import (
    filled_autoscaler,
    filled_budget,
    filled_policy,
    filled_revision,
)

# What the admission plugins Priority and DefaultTolerationSeconds add.
_ADMITTED_POD = {"preemptionPolicy": "PreemptLowerPriority", "priority": 0}
_TROUBLES = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def _pod(obj: Object) -> Object:
    spec = {"enableServiceLinks": True, **filled_pod_spec(obj.get("spec") or {})}
    return {**obj, "spec": spec, "status": _pod_status(obj.get("status") or {})}


def _pod_status(status: Object) -> Object:
    """The one address and the list of them say the same; the one address counts."""
    filled = {"qosClass": "BestEffort", **status}
    address, addresses = status.get("podIP"), status.get("podIPs") or []
    if address and (not addresses or addresses[0].get("ip") != address):
        filled["podIPs"] = [{"ip": address}]
    elif addresses and not address:
        filled["podIP"] = addresses[0].get("ip")
    return filled


def _admitted_pod(obj: Object) -> Object:
    spec = {**_ADMITTED_POD, **(obj.get("spec") or {})}
    tolerations = spec.get("tolerations") or []
    tolerated = {toleration.get("key") for toleration in tolerations}
    spec["tolerations"] = tolerations + [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in _TROUBLES
        if key not in tolerated
    ]
    return {**obj, "spec": spec}


def with_admission(storage: tuple[str, str], obj: Object, old: Object | None) -> Object:
    """What the server adds that nobody owns, whoever wrote."""
    if storage == ("", "pods"):
        obj = _admitted_pod(obj)
        return obj if old is not None else {**obj, "status": {"phase": "Pending", **obj["status"]}}
    if storage == ("", "namespaces"):
        kept = {"finalizers": ["kubernetes"]} if old is None else old.get("spec") or {}
        return {**obj, "spec": {**(obj.get("spec") or {}), **kept}}
    return obj


def _rolling_update(strategy: Object) -> Object:
    filled = {"type": "RollingUpdate", **strategy}
    if filled["type"] == "RollingUpdate":
        limits = filled.get("rollingUpdate") or {}
        filled["rollingUpdate"] = {"maxSurge": "25%", "maxUnavailable": "25%", **limits}
    return filled


def _deployment(obj: Object) -> Object:
    spec = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, **(obj.get("spec") or {})}
    spec["strategy"] = _rolling_update(spec.get("strategy") or {})
    return {**obj, "spec": filled_template(spec), "status": obj.get("status") or {}}


def _replica_set(obj: Object) -> Object:
    spec = {"replicas": 1, **(obj.get("spec") or {})}
    return {**obj, "spec": filled_template(spec), "status": obj.get("status") or {"replicas": 0}}


def _stateful_set(obj: Object) -> Object:
    spec = {"replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady", **(obj.get("spec") or {})}
    return {
        **obj,
        "spec": filled_template(spec),
        "status": obj.get("status") or {"replicas": 0, "availableReplicas": 0},
    }


def _service_port(port: Object) -> Object:
    filled = filled_port(port)
    return filled if "targetPort" in port else {**filled, "targetPort": port.get("port")}


def _service(obj: Object) -> Object:
    spec = {"type": "ClusterIP", "sessionAffinity": "None", **(obj.get("spec") or {})}
    if "ports" in spec:
        spec["ports"] = filled_list(spec["ports"], _service_port)
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})
    else:
        spec.pop("sessionAffinityConfig", None)
    return {**obj, "spec": spec, "status": obj.get("status") or {"loadBalancer": {}}}


def _namespace(obj: Object) -> Object:
    name = dig(obj, ("metadata", "name")) or ""
    metadata = obj.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": name}
    return {
        **obj,
        "metadata": {**metadata, "labels": labels},
        "spec": obj.get("spec") or {},
        "status": {"phase": "Active", **(obj.get("status") or {})},
    }


def _secret(obj: Object) -> Object:
    data = {**(obj.get("data") or {})}
    for key, text in (obj.get("stringData") or {}).items():
        data[key] = base64.b64encode(str(text).encode()).decode()
    filled = {**obj, "type": obj.get("type") or "Opaque", **({"data": data} if data else {})}
    return edited(filled, stringData=None)


# A moment that is missing is printed as null.
_EVENT: Object = {
    "eventTime": None,
    "firstTimestamp": None,
    "lastTimestamp": None,
    "reportingComponent": "",
    "reportingInstance": "",
    "source": {},
}
_NEW_EVENT: Object = {"deprecatedFirstTimestamp": None, "deprecatedLastTimestamp": None, "deprecatedSource": {}}


def _event(obj: Object) -> Object:
    return {**(_EVENT if obj["apiVersion"] == "v1" else _NEW_EVENT), **obj}


def without_empty(storage: tuple[str, str], obj: Object) -> Object:
    """An object without what is printed although it is not there; nobody owns that."""
    empty = _NEW_EVENT if storage == ("", "events") and obj.get("apiVersion") != "v1" else _PRINTED.get(storage, {})
    return {name: value for name, value in obj.items() if name not in empty or value != empty[name]} if empty else obj


def _config_map(obj: Object) -> Object:
    return {name: value for name, value in obj.items() if value or name not in ("data", "binaryData")}


def _endpoint_slice(obj: Object) -> Object:
    ports = [{"name": "", **filled_port(port)} for port in obj.get("ports") or () if isinstance(port, dict)]
    endpoints = obj.get("endpoints")
    if isinstance(endpoints, list):
        endpoints = filled_list(endpoints, lambda endpoint: {"conditions": {}, **endpoint})
    return {**obj, "endpoints": endpoints, "ports": ports or obj.get("ports")}


_PRINTED: dict[tuple[str, str], Object] = {
    ("apps", "controllerrevisions"): {"revision": 0},
    ("discovery.k8s.io", "endpointslices"): {"endpoints": None, "ports": None},
    ("", "namespaces"): {"spec": {}},
}
_FILLERS: dict[tuple[str, str], Filler] = {
    ("", "pods"): _pod,
    ("", "services"): _service,
    ("", "namespaces"): _namespace,
    ("", "configmaps"): _config_map,
    ("", "secrets"): _secret,
    ("", "events"): _event,
    ("apps", "deployments"): _deployment,
    ("apps", "replicasets"): _replica_set,
    ("apps", "statefulsets"): _stateful_set,
    ("apps", "controllerrevisions"): filled_revision,
    ("autoscaling", "horizontalpodautoscalers"): filled_autoscaler,
    ("discovery.k8s.io", "endpointslices"): _endpoint_slice,
    ("networking.k8s.io", "networkpolicies"): filled_policy,
    ("policy", "poddisruptionbudgets"): filled_budget,
}


def filled_in(storage: tuple[str, str], obj: Object) -> Object:
    """A built-in object with the defaults of its kind."""
    filler = _FILLERS.get(storage)
    return filler(obj) if filler is not None else obj
