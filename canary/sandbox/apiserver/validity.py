"""Checks that do not come from a schema: names, labels, and the rules of some built-in kinds.

Source: k8s.io/apimachinery, packages util/validation and api/validation; k8s.io/kubernetes, package core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from typing import Any

from canary.sandbox.apiserver.names import (
    LABEL_RULE,
    RFC1123_LABEL,
    RFC1123_SUBDOMAIN,
    SUBDOMAIN_RULE,
    key_problem,
    label_problems,
)
from canary.sandbox.apiserver.objects import Object, dig, meta
from canary.sandbox.apiserver.podrules import pod_problems
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.scalerules import (
    autoscaler_problems,
    budget_problems,
    policy_problems,
    revision_problems,
)
from canary.sandbox.apiserver.schema import Cause, causes
from canary.sandbox.apiserver.workloadrules import deployment_problems, workload_problems

_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_DATA_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_ANNOTATIONS_LIMIT = 256 * 1024
_LABEL_NAMES = frozenset({("", "namespaces"), ("", "services")})
# Names of these are path segments, free otherwise.
_FREE_NAMES = frozenset(
    {
        ("rbac.authorization.k8s.io", plural)
        for plural in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
    }
)


def name_problems(kind: ResourceType, name: str) -> Iterator[Cause]:
    """What is wrong with the name of a new object."""
    if kind.storage in _FREE_NAMES:
        if name in (".", "..") or "/" in name or "%" in name:
            yield causes.invalid("metadata.name", name, "may not contain '/' or '%'")
    elif kind.storage in _LABEL_NAMES:
        if len(name) > 63:
            yield causes.invalid("metadata.name", name, "must be no more than 63 characters")
        if not RFC1123_LABEL.fullmatch(name):
            yield causes.invalid("metadata.name", name, LABEL_RULE)
    else:
        if len(name) > 253:
            yield causes.invalid("metadata.name", name, "must be no more than 253 characters")
        if not RFC1123_SUBDOMAIN.fullmatch(name):
            yield causes.invalid("metadata.name", name, SUBDOMAIN_RULE)


def meta_problems(obj: Object) -> Iterator[Cause]:
    """What is wrong with labels, annotations, finalizers and owner references."""
    metadata = meta(obj)
    yield from label_problems(metadata.get("labels") or {}, "metadata.labels")
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        if problem := key_problem(key.lower()):
            yield causes.invalid("metadata.annotations", key, problem)
    if sum(len(key) + len(str(value)) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        yield causes.too_long("metadata.annotations", _ANNOTATIONS_LIMIT)
    for finalizer in metadata.get("finalizers") or ():
        if problem := key_problem(finalizer):
            yield causes.invalid("metadata.finalizers", finalizer, problem)
    yield from _owner_problems(metadata.get("ownerReferences") or ())


def _owner_problems(references: Any) -> Iterator[Cause]:
    controllers = []
    for index, reference in enumerate(references):
        path = f"metadata.ownerReferences[{index}]"
        for name in ("apiVersion", "kind", "name", "uid"):
            if not reference.get(name):
                yield causes.invalid(f"{path}.{name}", reference.get(name, ""), "must not be empty")
        if reference.get("controller"):
            controllers.append(reference.get("name"))
    if len(controllers) > 1:
        detail = "Only one reference can have Controller set to true"
        yield causes.invalid("metadata.ownerReferences", references, detail)


def _service_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from label_problems(spec.get("selector") or {}, "spec.selector")
    if spec.get("type") == "ExternalName":
        return
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None":
        yield causes.required("spec.ports")
    seen: set[tuple[Any, Any]] = set()
    names: set[Any] = set()
    for index, port in enumerate(ports):
        path, number = f"spec.ports[{index}]", port.get("port")
        if not isinstance(number, int) or not 1 <= number <= 65535:
            yield causes.invalid(f"{path}.port", number, "must be between 1 and 65535, inclusive")
        if len(ports) > 1 and not port.get("name"):
            yield causes.required(f"{path}.name")
        if (number, port.get("protocol")) in seen:
            yield causes.duplicate(path, port)
        seen.add((number, port.get("protocol")))
        if port.get("name") and port["name"] in names:
            yield causes.duplicate(f"{path}.name", port["name"])
        names.add(port.get("name"))
    before = dig(old, ("spec", "clusterIP"))
    if before and before != spec.get("clusterIP"):
        yield causes.invalid("spec.clusterIPs[0]", spec.get("clusterIPs"), "may not change once set")


def _lease_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    for name, least in (("leaseDurationSeconds", 1), ("leaseTransitions", 0)):
        value = dig(obj, ("spec", name))
        if isinstance(value, int) and value < least:
            words = "must be greater than 0" if least else "must be greater than or equal to 0"
            yield causes.invalid(f"spec.{name}", value, words)


def _slice_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    sort = obj.get("addressType")
    if sort not in ("IPv4", "IPv6", "FQDN"):
        yield causes.required("addressType")
    if old is not None and sort != old.get("addressType"):
        yield causes.invalid("addressType", sort, "field is immutable")
    if old is not None and obj.get("endpoints") == old.get("endpoints"):
        # What is there already is not judged again.
        return
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        path = f"endpoints[{index}].addresses"
        if not endpoint.get("addresses"):
            yield causes.required(path, "must contain at least 1 address")
        if sort in ("IPv4", "IPv6"):
            yield from _address_problems(path, endpoint.get("addresses") or (), sort)


def _address_problems(path: str, addresses: Iterable[Any], sort: str) -> Iterator[Cause]:
    for index, address in enumerate(addresses):
        try:
            if ip_address(address).version != (4 if sort == "IPv4" else 6):
                yield causes.invalid(path, address, f"must be an {sort} address")
        except ValueError:
            yield causes.invalid(f"{path}[{index}]", address, "must be a valid IP address, (e.g. 10.9.8.7)")


def _event_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    about = (obj.get("involvedObject") or {}).get("namespace") or ""
    namespace = meta(obj).get("namespace")
    if obj.get("eventTime"):
        # Events of the newer sort may be about an object elsewhere.
        fits = bool(about) or namespace in ("default", "kube-system")
    else:
        fits = namespace == (about or "default")
    if not fits:
        yield causes.invalid("involvedObject.namespace", about, "does not match event.namespace")
    if obj.get("eventTime"):
        yield from (_new_event_problems(obj) if old is None else _changed_event_problems(obj, old))


_EVENT_TEXTS = ("reportingComponent", "reportingInstance", "action", "reason")
_MUTABLE_EVENT = frozenset({"apiVersion", "kind", "metadata", "series"})


def _event_texts(obj: Object) -> Iterator[Cause]:
    for name in _EVENT_TEXTS:
        if not obj.get(name):
            yield causes.required("reportingController" if name == "reportingComponent" else name)


def _new_event_problems(obj: Object) -> Iterator[Cause]:
    yield from _event_texts(obj)
    if obj.get("type") not in ("Normal", "Warning"):
        yield causes.invalid("type", "", "has invalid value")
    yield from _series_problems(obj)


def _changed_event_problems(obj: Object, old: Object) -> Iterator[Cause]:
    yield from _event_texts(obj)
    for name in sorted((obj.keys() | old.keys()) - _MUTABLE_EVENT):
        if obj.get(name) != old.get(name):
            yield causes.invalid(name, obj.get(name), "field is immutable")
    if obj.get("series") != old.get("series"):
        yield from _series_problems(obj)


def _series_problems(obj: Object) -> Iterator[Cause]:
    series = obj.get("series")
    if not isinstance(series, dict):
        return
    if (series.get("count") or 0) < 2:
        yield causes.invalid("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        yield causes.required("series.lastObservedTime")


def _data_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    """ConfigMaps and Secrets: their keys, and that they stay as they are when they say so."""
    for name in ("data", "binaryData"):
        for key in obj.get(name) or {}:
            if not _DATA_KEY.fullmatch(key) or len(key) > 253 or key in (".", ".."):
                yield causes.invalid(f"{name}[{key}]", key, _DATA_KEY_RULE)
    for key in (obj.get("data") or {}).keys() & (obj.get("binaryData") or {}).keys():
        yield causes.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    if old is None or not old.get("immutable"):
        return
    for name in ("immutable", "data", "binaryData"):
        if (obj.get(name) or {}) != (old.get(name) or {}):
            yield causes.forbidden(name, "field is immutable when `immutable` is set")


def _secret_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None and old.get("type") != obj.get("type"):
        yield causes.invalid("type", obj.get("type"), "field is immutable")
    yield from _data_problems(obj, old)


Check = Callable[[Object, Object | None], Iterator[Cause]]
_CHECKS: dict[tuple[str, str], Check] = {
    ("", "pods"): pod_problems,
    ("", "services"): _service_problems,
    ("", "configmaps"): _data_problems,
    ("", "events"): _event_problems,
    ("", "secrets"): _secret_problems,
    ("apps", "controllerrevisions"): revision_problems,
    ("apps", "deployments"): deployment_problems,
    ("apps", "replicasets"): workload_problems,
    ("apps", "statefulsets"): workload_problems,
    ("autoscaling", "horizontalpodautoscalers"): autoscaler_problems,
    ("coordination.k8s.io", "leases"): _lease_problems,
    ("discovery.k8s.io", "endpointslices"): _slice_problems,
    ("networking.k8s.io", "networkpolicies"): policy_problems,
    ("policy", "poddisruptionbudgets"): budget_problems,
}


def kind_problems(kind: ResourceType, obj: Object, old: Object | None) -> Iterator[Cause]:
    """What the rules of a built-in kind say of an object in the storage version; `old` is what it replaces."""
    check = _CHECKS.get(kind.storage)
    if check is not None:
        yield from check(obj, old)
