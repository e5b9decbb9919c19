"""Who else looks after an object: read from its managedFields and from the marks that GitOps tools leave on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from canary.api.meta import ManagedFields
from canary.api.names import CONTROLLER_MANAGER, MANAGED_BY_LABEL

_ARGO_PREFIX = "argocd.argoproj.io/"
_KUSTOMIZE_PREFIX = "kustomize.toolkit.fluxcd.io/"
_FLUX_PREFIXES = {
    _KUSTOMIZE_PREFIX: "a Flux Kustomization",
    "helm.toolkit.fluxcd.io/": "a Flux HelmRelease",
}
_HELM_PREFIX = "meta.helm.sh/"

ARGO_CD = "argocd-controller"
FORCING = frozenset({ARGO_CD, "kustomize-controller"})
"""Field managers that force what they apply on the server's side: they meet no conflict.

Sources: Argo CD, "Server-Side Apply"; Flux, Kustomization, "Controlling the apply behavior of resources".
"""

LEFT_ALONE: dict[str, str] = {
    "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
    "helm.toolkit.fluxcd.io/driftDetection": "disabled",
    "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
}
"""Annotations that ask GitOps tools to leave an object alone: what we make bears them, and they are no claim.

Sources: Flux, Kustomization, "Controlling the apply behavior of resources"; Flux, HelmRelease, "Drift detection";
Argo CD, "Compare Options".
"""


@dataclass(frozen=True, slots=True)
class Writer:
    """An entry of managedFields: the manager's name, `Apply` or `Update`, and when (RFC 3339, as the server wrote)."""

    manager: str
    operation: str
    time: str


class _OwnedFields(msgspec.Struct, frozen=True):
    spec: dict[str, msgspec.Raw] | None = msgspec.field(name="f:spec", default=None)


_OWNED = msgspec.json.Decoder(_OwnedFields)


def writers_of(field: str, entries: Iterable[ManagedFields], ours: str = CONTROLLER_MANAGER) -> Iterator[Writer]:
    """Everyone but us who holds `spec.<field>`, or the spec as a whole, in the order of the object.

    Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    for entry in entries:
        if entry.manager != ours and not entry.subresource and _holds(entry, field):
            yield Writer(entry.manager, entry.operation, entry.time)


def claim_on(
    field: str,
    entries: Iterable[ManagedFields],
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    ours: str = CONTROLLER_MANAGER,
) -> str | None:
    """What would put `spec.<field>` back at its next sync, in words: another apply manager, or a GitOps tool."""
    for writer in writers_of(field, entries, ours):
        if writer.operation == "Apply":
            return f"field manager {writer.manager}, by server-side apply"
    return tracked_by(labels, annotations)


def tracked_by(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str | None:
    """The GitOps tool that tracks an object with this metadata, in words; `None` when there is none.

    What Flux was told not to reconcile, it neither applies nor prunes: then its other marks are no claim either.
    """
    marks = {**annotations, **labels}
    let_go = marks.get(f"{_KUSTOMIZE_PREFIX}reconcile") == "disabled"
    for key, value in marks.items():
        if LEFT_ALONE.get(key) == value or (let_go and key.startswith(_KUSTOMIZE_PREFIX)):
            continue
        if key.startswith(_ARGO_PREFIX):
            return f"Argo CD ({key})"
        for prefix, tool in _FLUX_PREFIXES.items():
            if key.startswith(prefix):
                return f"{tool} ({key})"
        if key.startswith(_HELM_PREFIX):
            return f"Helm ({key}: {value})"
    if labels.get(MANAGED_BY_LABEL) == "Helm":
        return f"Helm (release {labels.get('app.kubernetes.io/instance', 'unknown')})"
    return None


def _holds(entry: ManagedFields, field: str) -> bool:
    """Whether the field set names spec.<field>, or spec as a whole."""
    try:
        spec = _OWNED.decode(entry.fields_v1).spec
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return spec is not None and (not spec or f"f:{field}" in spec)
