"""Who else writes a TrafficSplit: read from its managedFields and from the marks that GitOps tools leave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from canary.api.kinds import TrafficSplit
from canary.api.meta import ManagedFields
from canary.api.names import CONTROLLER_MANAGER

_ARGO_PREFIX = "argocd.argoproj.io/"
_FLUX_PREFIXES = {
    "kustomize.toolkit.fluxcd.io/": "a Flux Kustomization",
    "helm.toolkit.fluxcd.io/": "a Flux HelmRelease",
}
_HELM_PREFIX = "meta.helm.sh/"


@dataclass(frozen=True, slots=True)
class Writer:
    """An entry of managedFields: the manager's name, `Apply` or `Update`, and when (RFC 3339, as the server wrote)."""

    manager: str
    operation: str
    time: str


class _OwnedFields(msgspec.Struct, frozen=True):
    spec: dict[str, msgspec.Raw] | None = msgspec.field(name="f:spec", default=None)


_OWNED = msgspec.json.Decoder(_OwnedFields)


def backend_writers(split: TrafficSplit, ours: str = CONTROLLER_MANAGER) -> Iterator[Writer]:
    """Everyone but us who holds `spec.backends`, in the order of the object."""
    for entry in split.metadata.managed_fields:
        if entry.manager != ours and not entry.subresource and _holds_backends(entry):
            yield Writer(entry.manager, entry.operation, entry.time)


def field_manager_of_backends(split: TrafficSplit, ours: str = CONTROLLER_MANAGER) -> Writer | None:
    """Who but us wrote `spec.backends` last; `None` when nobody else holds it.

    Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    return max(backend_writers(split, ours), key=lambda writer: writer.time, default=None)


def foreign_claim(split: TrafficSplit, ours: str = CONTROLLER_MANAGER) -> str | None:
    """What would put the backends back at its next sync, in words: a GitOps tool or another apply manager."""
    for writer in backend_writers(split, ours):
        if writer.operation == "Apply":
            return f"field manager {writer.manager}, by server-side apply"
    return _tracked_by(split.metadata.labels, split.metadata.annotations)


def _tracked_by(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str | None:
    marks = {**annotations, **labels}
    for key in marks:
        if key.startswith(_ARGO_PREFIX):
            return f"Argo CD ({key})"
        for prefix, tool in _FLUX_PREFIXES.items():
            if key.startswith(prefix):
                return f"{tool} ({key})"
        if key.startswith(_HELM_PREFIX):
            return f"Helm ({key}: {marks[key]})"
    if labels.get("app.kubernetes.io/managed-by") == "Helm":
        return f"Helm (release {labels.get('app.kubernetes.io/instance', 'unknown')})"
    return None


def _holds_backends(entry: ManagedFields) -> bool:
    """Whether the field set names spec.backends, or spec as a whole."""
    try:
        spec = _OWNED.decode(entry.fields_v1).spec
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return spec is not None and (not spec or "f:backends" in spec)
