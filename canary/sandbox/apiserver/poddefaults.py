"""What the API server fills into pods and pod templates, so that what a user wrote and what is stored can be compared.

Source: k8s.io/kubernetes, the defaulting functions of core/v1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from canary.sandbox.apiserver.objects import Object
from canary.sandbox.apiserver.quantities import canonical

Filler = Callable[[Object], Object]
_MODE = 0o644


def filled_list(value: Any, fill: Filler) -> list[Any]:
    return [fill(item) if isinstance(item, dict) else item for item in value or ()]


def filled_port(port: Object) -> Object:
    return {**port, "protocol": port.get("protocol") or "TCP"}


def _within(obj: Object, fillers: dict[str, Filler]) -> Object:
    """`obj` with the objects in those of its fields that are there filled in, item by item where a field is a list."""
    filled = dict(obj)
    for name, fill in fillers.items():
        value = obj.get(name)
        if isinstance(value, dict):
            filled[name] = fill(value)
        elif isinstance(value, list):
            filled[name] = filled_list(value, fill)
    return filled


def _with(**defaults: Any) -> Filler:
    return lambda obj: {**defaults, **obj}


def _pull_policy(image: Any) -> str:
    name = str(image or "").rpartition("/")[2]
    return "Always" if "@" not in name and (":" not in name or name.endswith(":latest")) else "IfNotPresent"


def _http(get: Object) -> Object:
    return {**get, "path": get.get("path") or "/", "scheme": get.get("scheme") or "HTTP"}


_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def _probe(probe: Object) -> Object:
    given = {name: value for name, value in probe.items() if value or name not in _PROBE}
    return _within({**_PROBE, **given}, {"httpGet": _http, "grpc": _with(service="")})


def _handlers(lifecycle: Object) -> Object:
    return _within(lifecycle, dict.fromkeys(("postStart", "preStop"), lambda hook: _within(hook, {"httpGet": _http})))


def _source(source: Object) -> Object:
    return _within(source, {"fieldRef": _with(apiVersion="v1"), "resourceFieldRef": _divided})


def _divided(reference: Object) -> Object:
    return {**reference, "divisor": canonical(reference.get("divisor") or 0)}


def _amounts(resources: Object) -> Object:
    return {
        name: {key: canonical(amount) for key, amount in value.items()} if name in ("limits", "requests") else value
        for name, value in resources.items()
        if value
    }


def _variable(variable: Object) -> Object:
    """A value that is empty is not printed."""
    kept = {name: value for name, value in variable.items() if value or name != "value"}
    return _within(kept, {"valueFrom": _source})


_CONTAINER: dict[str, Filler] = {
    "ports": filled_port,
    "env": _variable,
    "resources": _amounts,
    "lifecycle": _handlers,
    **dict.fromkeys(("livenessProbe", "readinessProbe", "startupProbe"), _probe),
}


def _container(container: Object) -> Object:
    filled = {
        "imagePullPolicy": _pull_policy(container.get("image")),
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        **container,
    }
    return _within(filled, _CONTAINER)


def _items(volume: Object) -> Object:
    return _within({"defaultMode": _MODE, **volume}, {"items": _source})


_PROJECTED: dict[str, Filler] = {
    "serviceAccountToken": _with(expirationSeconds=3600),
    "downwardAPI": lambda projection: _within(projection, {"items": _source}),
}
_VOLUME: dict[str, Filler] = {
    "configMap": _with(defaultMode=_MODE),
    "secret": _with(defaultMode=_MODE),
    "downwardAPI": _items,
    "projected": lambda p: _within({"defaultMode": _MODE, **p}, {"sources": lambda one: _within(one, _PROJECTED)}),
    "hostPath": _with(type=""),
    "iscsi": _with(iscsiInterface="default"),
    "rbd": _with(pool="rbd", user="admin", keyring="/etc/ceph/keyring"),
}


def _volume(volume: Object) -> Object:
    sources = [name for name, value in volume.items() if name != "name" and value is not None]
    return _within(volume, _VOLUME) if sources else {"name": volume.get("name", ""), "emptyDir": {}}


_POD_SPEC: Object = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}


def filled_pod_spec(spec: Object) -> Object:
    """The spec of a pod or of a template. Whoever names an account by one of its two names has named it by both."""
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    accounts = {"serviceAccountName": account, "serviceAccount": account} if account else {}
    lists: dict[str, Filler] = {"containers": _container, "initContainers": _container, "volumes": _volume}
    return _within({**_POD_SPEC, **spec, **accounts}, lists)


def filled_template(spec: Object) -> Object:
    """The spec of a workload with its pod template filled in."""
    template = spec.get("template") or {}
    return {
        **spec,
        "template": {
            **template,
            # The zero timestamp of a typed object without the field is printed as null.
            "metadata": template.get("metadata") or {},
            "spec": filled_pod_spec(template.get("spec") or {}),
        },
    }
