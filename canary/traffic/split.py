"""TrafficSplit objects as bytes: made anew, or rewritten with everything that is not ours left as it was.

Names are short and all in one namespace, and the split is named after its root Service; what else is written is the
part of the API that is the same from v1alpha1 to v1alpha4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from canary.core.observed import Backend
from canary.traffic.versions import Version, resource
from canary.traffic.weights import InvalidWeights, checked

_Fields = dict[str, msgspec.Raw]
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class UnreadableSplit(ValueError):
    """Bytes that are no Kubernetes object with metadata and spec: never to be written back."""


def new_split(
    version: Version,
    namespace: str,
    root: str,
    backends: Sequence[Backend],
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
) -> bytes:
    """The body that creates the split of the Service `root`.

    Raises `InvalidWeights`, also for a root among its own backends: meshes drop such a split or loop.
    """
    backends = checked(tuple(backends))
    if any(backend.service == root for backend in backends):
        raise InvalidWeights(f"the root Service {root} cannot be a backend of its own split")
    return msgspec.json.encode(
        {
            "apiVersion": resource(version).api_version,
            "kind": "TrafficSplit",
            "metadata": {
                "name": root,
                "namespace": namespace,
                "labels": dict(labels),
                "annotations": dict(annotations),
            },
            "spec": {"service": root, "backends": _json(backends)},
        }
    )


def rewrite(
    live: bytes,
    backends: Sequence[Backend],
    annotations: Mapping[str, str | None],
    labels: Mapping[str, str | None],
) -> bytes:
    """`live` with other backends, and with these annotations and labels set, or removed where `None`.

    `live` is the body of a GET, and the result that of a PUT with the same resourceVersion. Every other value is
    byte-identical, whatever it is: `matches`, finalizers, fields that no version of the API has. Raises
    `InvalidWeights` or `UnreadableSplit`.
    """
    fields = _fields(live, "the object")
    metadata = _fields(_required(fields, "metadata"), "metadata")
    spec = _fields(_required(fields, "spec"), "spec")
    for name, changes in (("labels", labels), ("annotations", annotations)):
        _change(metadata, name, changes)
    spec["backends"] = _raw(_json(checked(tuple(backends))))
    fields["metadata"], fields["spec"] = _raw(metadata), _raw(spec)
    return msgspec.json.encode(fields)


def _change(metadata: _Fields, name: str, changes: Mapping[str, str | None]) -> None:
    """Set and remove `changes` in the string map `name`; an absent or null one appears only if needed."""
    raw = metadata.get(name)
    current = {} if raw is None or bytes(raw) == b"null" else _fields(raw, f"metadata.{name}")
    changed = {key: value for key, value in current.items() if changes.get(key, "") is not None}
    changed |= {key: _raw(value) for key, value in changes.items() if value is not None}
    if changed or current:
        metadata[name] = _raw(changed)


def _required(fields: _Fields, name: str) -> msgspec.Raw:
    if name not in fields:
        raise UnreadableSplit(f"the TrafficSplit has no {name}")
    return fields[name]


def _fields(raw: bytes | msgspec.Raw, what: str) -> _Fields:
    try:
        return _FIELDS.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableSplit(f"{what} of the TrafficSplit is no JSON object: {error}") from error


def _json(backends: tuple[Backend, ...]) -> list[dict[str, Any]]:
    return [{"service": backend.service, "weight": backend.weight} for backend in backends]


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
