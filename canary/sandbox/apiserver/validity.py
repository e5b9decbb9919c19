"""Checks that do not come from a schema: names, labels, and the rules of some built-in kinds.

Source: k8s.io/apimachinery, packages util/validation and api/validation; k8s.io/kubernetes, package core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from canary.sandbox.apiserver.objects import Object, dig, meta
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.schema import Cause, causes

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_RFC1123_LABEL = re.compile(_LABEL)
_RFC1123_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_QUALIFIED_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
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
        if not _RFC1123_LABEL.fullmatch(name):
            yield causes.invalid("metadata.name", name, _LABEL_RULE)
    else:
        if len(name) > 253:
            yield causes.invalid("metadata.name", name, "must be no more than 253 characters")
        if not _RFC1123_SUBDOMAIN.fullmatch(name):
            yield causes.invalid("metadata.name", name, _SUBDOMAIN_RULE)


def _key_problem(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _RFC1123_SUBDOMAIN.fullmatch(prefix)):
        return f"prefix part {_SUBDOMAIN_RULE}"
    if len(name) > 63:
        return "name part must be no more than 63 bytes"
    return "" if _QUALIFIED.fullmatch(name) else _QUALIFIED_RULE


def meta_problems(obj: Object) -> Iterator[Cause]:
    """What is wrong with labels, annotations, finalizers and owner references."""
    metadata = meta(obj)
    for key, value in (metadata.get("labels") or {}).items():
        if problem := _key_problem(key):
            yield causes.invalid("metadata.labels", key, problem)
        if len(str(value)) > 63:
            yield causes.invalid("metadata.labels", value, "must be no more than 63 bytes")
        elif value and not _QUALIFIED.fullmatch(str(value)):
            yield causes.invalid("metadata.labels", value, _LABEL_VALUE_RULE)
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        if problem := _key_problem(key.lower()):
            yield causes.invalid("metadata.annotations", key, problem)
    if sum(len(key) + len(str(value)) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        yield causes.too_long("metadata.annotations", _ANNOTATIONS_LIMIT)
    for finalizer in metadata.get("finalizers") or ():
        if problem := _key_problem(finalizer):
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
    if spec.get("type") == "ExternalName":
        return
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None":
        yield causes.required("spec.ports")
    seen: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        path, number = f"spec.ports[{index}]", port.get("port")
        if not isinstance(number, int) or not 1 <= number <= 65535:
            yield causes.invalid(f"{path}.port", number, "must be between 1 and 65535, inclusive")
        if len(ports) > 1 and not port.get("name"):
            yield causes.required(f"{path}.name")
        if (number, port.get("protocol")) in seen:
            yield causes.duplicate(path, port)
        seen.add((number, port.get("protocol")))
    before = dig(old, ("spec", "clusterIP"))
    if before and before != spec.get("clusterIP"):
        yield causes.invalid("spec.clusterIPs[0]", spec.get("clusterIPs"), "may not change once set")


def _selector_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    selector = dig(obj, ("spec", "selector"))
    labels = dig(obj, ("spec", "template", "metadata", "labels")) or {}
    if not isinstance(selector, dict) or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield causes.required("spec.selector")
        return
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        detail = "`selector` does not match template `labels`"
        yield causes.invalid("spec.template.metadata.labels", labels, detail)
    if not dig(obj, ("spec", "template", "spec", "containers")):
        yield causes.required("spec.template.spec.containers")
    replicas = dig(obj, ("spec", "replicas"))
    if isinstance(replicas, int) and replicas < 0:
        yield causes.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
    if old is not None and dig(old, ("spec", "selector")) != selector:
        yield causes.invalid("spec.selector", selector, "field is immutable")


def _lease_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    for name, least in (("leaseDurationSeconds", 1), ("leaseTransitions", 0)):
        value = dig(obj, ("spec", name))
        if isinstance(value, int) and value < least:
            words = "must be greater than 0" if least else "must be greater than or equal to 0"
            yield causes.invalid(f"spec.{name}", value, words)


def _slice_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    if obj.get("addressType") not in ("IPv4", "IPv6", "FQDN"):
        yield causes.required("addressType")
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        if not endpoint.get("addresses"):
            yield causes.required(f"endpoints[{index}].addresses", "must contain at least 1 address")


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


def _frozen_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    """ConfigMaps and Secrets that say that they are immutable."""
    if old is None or not old.get("immutable"):
        return
    for name in ("immutable", "data", "binaryData"):
        if (obj.get(name) or {}) != (old.get(name) or {}):
            yield causes.forbidden(name, "field is immutable when `immutable` is set")


def _secret_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None and old.get("type") != obj.get("type"):
        yield causes.invalid("type", obj.get("type"), "field is immutable")
    yield from _frozen_problems(obj, old)


Check = Callable[[Object, Object | None], Iterator[Cause]]
_CHECKS: dict[tuple[str, str], Check] = {
    ("", "services"): _service_problems,
    ("", "configmaps"): _frozen_problems,
    ("", "events"): _event_problems,
    ("", "secrets"): _secret_problems,
    ("apps", "deployments"): _selector_problems,
    ("apps", "replicasets"): _selector_problems,
    ("apps", "statefulsets"): _selector_problems,
    ("coordination.k8s.io", "leases"): _lease_problems,
    ("discovery.k8s.io", "endpointslices"): _slice_problems,
}


def kind_problems(kind: ResourceType, obj: Object, old: Object | None) -> Iterator[Cause]:
    """What the rules of a built-in kind say of an object in the storage version; `old` is what it replaces."""
    check = _CHECKS.get(kind.storage)
    if check is not None:
        yield from check(obj, old)
