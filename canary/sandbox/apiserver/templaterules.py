"""What must be right of the spec of a pod, in a Pod or in the template of a workload.

Source: k8s.io/kubernetes, package core/validation, `ValidatePodSpec` and `ValidatePodTemplateSpecForRS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from canary.api.quantity import parse_quantity
from canary.sandbox.apiserver.names import LABEL_RULE, QUALIFIED, RFC1123_LABEL, label_problems
from canary.sandbox.apiserver.objects import Object, dig
from canary.sandbox.apiserver.schema import Cause, causes

_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_VARIABLE = re.compile(r"[ -<>-~]+")
_FREE = ("hugepages-", "cpu", "memory", "ephemeral-storage")


def template_problems(template: Any, path: str) -> Iterator[Cause]:
    """Of the template of something that replaces its pods, such as a Deployment."""
    template = template if isinstance(template, dict) else {}
    yield from label_problems(dig(template, ("metadata", "labels")) or {}, f"{path}.labels")
    spec, path = template.get("spec") or {}, f"{path}.spec"
    yield from pod_spec_problems(spec, path)
    if spec.get("restartPolicy") != "Always":
        yield causes.not_supported(f"{path}.restartPolicy", spec.get("restartPolicy"), ("Always",))
    if spec.get("activeDeadlineSeconds") is not None:
        yield causes.forbidden(f"{path}.activeDeadlineSeconds", "activeDeadlineSeconds in ReplicaSet is not Supported")


def pod_spec_problems(spec: Object, path: str) -> Iterator[Cause]:
    volumes = _named(spec.get("volumes"))
    yield from _name_problems(volumes, f"{path}.volumes")
    if not spec.get("containers"):
        yield causes.required(f"{path}.containers")
    known = {volume.get("name") for volume in volumes}
    for name in ("containers", "initContainers"):
        containers = _named(spec.get(name))
        yield from _name_problems(containers, f"{path}.{name}")
        for index, container in enumerate(containers):
            yield from _container_problems(container, f"{path}.{name}[{index}]", known)
    yield from _choice(spec, "dnsPolicy", _DNS_POLICIES, path)
    yield from _choice(spec, "restartPolicy", _RESTART_POLICIES, path)


def _named(items: Any) -> list[Object]:
    return [item if isinstance(item, dict) else {} for item in items or ()]


def _choice(obj: Object, name: str, allowed: tuple[str, ...], path: str) -> Iterator[Cause]:
    if obj.get(name) not in allowed:
        yield causes.not_supported(f"{path}.{name}", obj.get(name), allowed)


def _name_problems(items: list[Object], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        name, at = item.get("name") or "", f"{path}[{index}].name"
        if not name:
            yield causes.required(at)
        elif not RFC1123_LABEL.fullmatch(name):
            yield causes.invalid(at, name, LABEL_RULE)
        elif name in seen:
            yield causes.duplicate(at, name)
        seen.add(name)


def _container_problems(container: Object, path: str, volumes: set[Any]) -> Iterator[Cause]:
    if not container.get("image"):
        yield causes.required(f"{path}.image")
    yield from _choice(container, "imagePullPolicy", _PULL_POLICIES, path)
    for index, port in enumerate(container.get("ports") or ()):
        yield from _port_problems(port, f"{path}.ports[{index}]")
    for index, variable in enumerate(container.get("env") or ()):
        name, at = variable.get("name") or "", f"{path}.env[{index}].name"
        if not name:
            yield causes.required(at)
        elif not _VARIABLE.fullmatch(name):
            yield causes.invalid(at, name, "a valid environment variable name must consist only of printable ASCII")
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        yield from _mount_problems(mount, f"{path}.volumeMounts[{index}]", volumes)
    yield from _resource_problems(container.get("resources") or {}, f"{path}.resources")


def _port_problems(port: Object, path: str) -> Iterator[Cause]:
    number = port.get("containerPort") or 0
    if not number:
        yield causes.required(f"{path}.containerPort")
    elif not 1 <= number <= 65535:
        yield causes.invalid(f"{path}.containerPort", number, "must be between 1 and 65535, inclusive")
    yield from _choice(port, "protocol", _PROTOCOLS, path)


def _mount_problems(mount: Object, path: str, volumes: set[Any]) -> Iterator[Cause]:
    if not mount.get("name"):
        yield causes.required(f"{path}.name")
    elif mount["name"] not in volumes:
        yield causes.not_found(f"{path}.name", mount["name"])
    if not mount.get("mountPath"):
        yield causes.required(f"{path}.mountPath")


def _resource_problems(resources: Object, path: str) -> Iterator[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for word, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            if parse_quantity(amount) < 0:
                at = f"{path}.{word}[{name}]"
                yield causes.invalid(at, amount, "must be greater than or equal to 0")
            if not QUALIFIED.fullmatch(name.rpartition("/")[2]) or ("/" not in name and not name.startswith(_FREE)):
                detail = "must be a standard resource type or fully qualified"
                yield causes.invalid(f"{path}.{word}[{name}]", name, detail)
    for name in requests.keys() & limits.keys():
        if parse_quantity(requests[name]) > parse_quantity(limits[name]):
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            yield causes.invalid(f"{path}.requests", requests[name], detail)
