"""What the API server fills into the built-in kinds, as far as clients and controllers look at it.

Source: k8s.io/kubernetes, the defaulting functions of core/v1 and apps/v1.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from canary.sandbox.apiserver.objects import Object, dig, edited

Filler = Callable[[Object], Object]


def _list(value: Any, fill: Filler) -> list[Any]:
    return [fill(item) if isinstance(item, dict) else item for item in value or ()]


def _port(port: Object) -> Object:
    return {**port, "protocol": port.get("protocol") or "TCP"}


def _pull_policy(image: Any) -> str:
    name = str(image or "").rpartition("/")[2]
    return "Always" if "@" not in name and (":" not in name or name.endswith(":latest")) else "IfNotPresent"


_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def _probe(probe: Object) -> Object:
    http = probe.get("httpGet")
    filled = {**_PROBE, **probe}
    if isinstance(http, dict):
        filled["httpGet"] = {"path": "/", "scheme": "HTTP", **http}
    return filled


def _container(container: Object) -> Object:
    filled = {
        "imagePullPolicy": _pull_policy(container.get("image")),
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        **container,
    }
    if "ports" in container:
        filled["ports"] = _list(container["ports"], _port)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(name), dict):
            filled[name] = _probe(container[name])
    return filled


_POD_SPEC = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}


def _pod_spec(spec: Object) -> Object:
    filled = {**_POD_SPEC, **spec}
    for name in ("containers", "initContainers"):
        if name in spec:
            filled[name] = _list(spec[name], _container)
    return filled


def _pod(obj: Object) -> Object:
    spec = {"enableServiceLinks": True, **_pod_spec(obj.get("spec") or {})}
    return {**obj, "spec": spec, "status": {"phase": "Pending", "qosClass": "BestEffort", **(obj.get("status") or {})}}


def _template(spec: Object) -> Object:
    template = spec.get("template")
    if not isinstance(template, dict):
        return spec
    return {
        **spec,
        "template": {
            **template,
            # The zero timestamp of a typed object without the field is printed as null.
            "metadata": template.get("metadata") or {},
            "spec": _pod_spec(template.get("spec") or {}),
        },
    }


def _rolling_update(strategy: Object) -> Object:
    filled = {"type": "RollingUpdate", **strategy}
    if filled["type"] == "RollingUpdate":
        limits = filled.get("rollingUpdate") or {}
        filled["rollingUpdate"] = {"maxSurge": "25%", "maxUnavailable": "25%", **limits}
    return filled


def _deployment(obj: Object) -> Object:
    spec = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, **(obj.get("spec") or {})}
    spec["strategy"] = _rolling_update(spec.get("strategy") or {})
    return {**obj, "spec": _template(spec), "status": obj.get("status") or {}}


def _replica_set(obj: Object) -> Object:
    spec = {"replicas": 1, **(obj.get("spec") or {})}
    return {**obj, "spec": _template(spec), "status": obj.get("status") or {"replicas": 0}}


def _stateful_set(obj: Object) -> Object:
    spec = {"replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady", **(obj.get("spec") or {})}
    return {**obj, "spec": _template(spec), "status": obj.get("status") or {"replicas": 0, "availableReplicas": 0}}


def _service_port(port: Object) -> Object:
    filled = _port(port)
    return filled if "targetPort" in port else {**filled, "targetPort": port.get("port")}


def _service(obj: Object) -> Object:
    spec = {"type": "ClusterIP", "sessionAffinity": "None", **(obj.get("spec") or {})}
    if "ports" in spec:
        spec["ports"] = _list(spec["ports"], _service_port)
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    return {**obj, "spec": spec, "status": obj.get("status") or {"loadBalancer": {}}}


def _namespace(obj: Object) -> Object:
    name = dig(obj, ("metadata", "name")) or ""
    metadata = obj.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": name}
    return {
        **obj,
        "metadata": {**metadata, "labels": labels},
        "spec": {"finalizers": ["kubernetes"], **(obj.get("spec") or {})},
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


def _endpoint_slice(obj: Object) -> Object:
    ports = [{"name": "", **_port(port)} for port in obj.get("ports") or () if isinstance(port, dict)]
    return {**obj, "endpoints": obj.get("endpoints"), "ports": ports or obj.get("ports")}


_FILLERS: dict[tuple[str, str], Filler] = {
    ("", "pods"): _pod,
    ("", "services"): _service,
    ("", "namespaces"): _namespace,
    ("", "secrets"): _secret,
    ("", "events"): _event,
    ("apps", "deployments"): _deployment,
    ("apps", "replicasets"): _replica_set,
    ("apps", "statefulsets"): _stateful_set,
    ("discovery.k8s.io", "endpointslices"): _endpoint_slice,
}


def filled_in(storage: tuple[str, str], obj: Object) -> Object:
    """A built-in object with the defaults of its kind."""
    filler = _FILLERS.get(storage)
    return filler(obj) if filler is not None else obj
