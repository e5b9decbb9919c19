"""The ConfigMaps and Secrets that a pod template reads: which they are, what is in them, and copies that never change.

Pods that start later read what a ConfigMap says then. A revision is one thing for all its pods only when it refers to
immutable copies (KEP-1412).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from canary.api.names import TRACK_ANNOTATION
from canary.workload.canonical import digest_of

ABSENT: Final = ""
"""Stands in place of the digest of an object that does not exist."""
NAME_LIMIT = 253
_DIGITS = 10

# The control plane writes these itself, or drops such a Secret when it lacks the right annotation.
_TIED_TYPES = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})


class ConfigRef(NamedTuple):
    """One object that a template reads; `optional` when pods start without it."""

    kind: str
    name: str
    optional: bool = False


class _Place(NamedTuple):
    """Where a template names an object: `holder[field]`."""

    kind: str
    holder: dict[str, Any]
    field: str

    @property
    def name(self) -> str:
        name = self.holder.get(self.field)
        return name if isinstance(name, str) else ""


def references(template: Any) -> tuple[ConfigRef, ...]:
    """Everything that the containers of `template` read, sorted by kind and name, each once.

    Volumes, projected volumes, environment variables and `envFrom`, of init containers too. Credentials with which the
    kubelet pulls images or mounts volumes are no configuration of the application. What is required in one place and
    optional in another is required. A malformed part has no references.
    """
    found: dict[tuple[str, str], bool] = {}
    for place in _places(template):
        if place.name:
            key = place.kind, place.name
            found[key] = found.get(key, True) and place.holder.get("optional") is True
    return tuple(ConfigRef(kind, name, optional) for (kind, name), optional in sorted(found.items()))


def renamed(template: Mapping[str, Any], names: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """A copy of `template` that refers to other objects; `names` gives the new name by kind and old name."""
    result = copy.deepcopy(dict(template))
    for place in tuple(_places(result)):
        if (place.kind, place.name) in names:
            place.holder[place.field] = names[place.kind, place.name]
    return result


def config_digest(obj: Mapping[str, Any]) -> str:
    """SHA-256 over what pods can see of a ConfigMap or a Secret, 64 hexadecimal digits. Metadata plays no part."""
    return digest_of(
        {"data": obj.get("data") or {}, "binaryData": obj.get("binaryData") or {}, "type": obj.get("type")}
    )


def tracked(ref: ConfigRef, annotations: Mapping[str, str], *, secrets: bool) -> bool:
    """Whether a change of this object is a new revision; `annotations` are the object's own.

    ConfigMaps are, unless they opt out. Secrets are only where the administrator has turned that on (`secrets`), and
    when they opt in.
    """
    wish = annotations.get(TRACK_ANNOTATION)
    if ref.kind == "Secret":
        return secrets and wish == "true"
    return wish != "false"


def copyable(obj: Mapping[str, Any]) -> bool:
    """Whether a copy of the object would stay as it is: not the tokens that the control plane itself looks after."""
    return obj.get("type") not in _TIED_TYPES


def copy_name(name: str, digest: str) -> str:
    """The name of the copy with this content, `<name>-<10 hexadecimal digits>`, of at most 253 characters.

    A name that is too long for that is cut, and the digits then stand for the whole of it as well.
    """
    room = NAME_LIMIT - _DIGITS - 1
    if len(name) > room:
        name, digest = name[:room].rstrip("-."), digest_of([name, digest])
    return f"{name}-{digest[:_DIGITS]}"


def copy_of(
    obj: Mapping[str, Any], digest: str, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> dict[str, Any]:
    """An immutable copy of a ConfigMap or a Secret beside it, with our metadata and none of its own.

    Items of a list come without a kind: one that has a type is a Secret.
    """
    metadata = obj["metadata"]
    result = {
        "apiVersion": "v1",
        "kind": obj.get("kind") or ("Secret" if "type" in obj else "ConfigMap"),
        "metadata": {
            "name": copy_name(metadata["name"], digest),
            "namespace": metadata["namespace"],
            "labels": dict(labels),
            "annotations": dict(annotations),
        },
        "immutable": True,
    }
    return result | {key: copy.deepcopy(obj[key]) for key in ("type", "data", "binaryData") if obj.get(key)}


def _places(template: Any) -> Iterator[_Place]:
    """Every place of a template that names a ConfigMap or a Secret that its containers read."""
    spec = _map(_map(template).get("spec"))
    for volume in _maps(spec.get("volumes")):
        yield _Place("ConfigMap", _map(volume.get("configMap")), "name")
        yield _Place("Secret", _map(volume.get("secret")), "secretName")
        for source in _maps(_map(volume.get("projected")).get("sources")):
            yield _Place("ConfigMap", _map(source.get("configMap")), "name")
            yield _Place("Secret", _map(source.get("secret")), "name")
    for field in ("initContainers", "containers"):
        for container in _maps(spec.get(field)):
            yield from _environment(container)


def _environment(container: dict[str, Any]) -> Iterator[_Place]:
    for variable in _maps(container.get("env")):
        origin = _map(variable.get("valueFrom"))
        yield _Place("ConfigMap", _map(origin.get("configMapKeyRef")), "name")
        yield _Place("Secret", _map(origin.get("secretKeyRef")), "name")
    for origin in _maps(container.get("envFrom")):
        yield _Place("ConfigMap", _map(origin.get("configMapRef")), "name")
        yield _Place("Secret", _map(origin.get("secretRef")), "name")


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _maps(value: Any) -> Iterator[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())
