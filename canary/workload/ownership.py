"""Whose an object is, and what of somebody else's metadata a copy may bear.

Nothing that we make has an ownerReference: deletion in the foreground would take it away at once, whatever our
finalizer still has to do. Label and annotation say whose it is instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from canary.api.names import (
    CANARY_LABEL,
    GROUP,
    LEFT_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OWNER_ANNOTATION,
    SEQ_ANNOTATION,
)
from canary.api.tracking import LEFT_ALONE, tracked_by

JSON = dict[str, Any]
STABLE_SUFFIX = "-stable"
CANARY_SUFFIX = "-canary"

# Domains of keys that are about one object and would be wrong of its copy: of which application or release it is a part
# (and with whose parts it is pruned), what was last applied to it, who is told about it, whether it is paused.
_DENIED_DOMAINS = (
    GROUP,
    "argocd.argoproj.io",
    "notifications.argoproj.io",
    "toolkit.fluxcd.io",
    "helm.sh",
    "keda.sh",
    "deployment.kubernetes.io",
    "config.kubernetes.io",
    "config.k8s.io",
    "applyset.kubernetes.io",
    "kapp.k14s.io",
    "cattle.io",
)
_DENIED_KEYS = frozenset(
    {
        "app.kubernetes.io/instance",
        MANAGED_BY_LABEL,
        "kubectl.kubernetes.io/last-applied-configuration",
        "kubectl.kubernetes.io/restartedAt",
    }
)


@dataclass(frozen=True, slots=True)
class Mark:
    """What the objects of one Canary bear. `allow` are prefixes of keys that copies may take over from an original."""

    namespace: str
    canary: str
    uid: str
    allow: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The value of the owner annotation."""
        return f"{self.canary}/{self.uid}"

    @property
    def labels(self) -> dict[str, str]:
        """EndpointSlices inherit these from our Services, and are watched by them."""
        return {CANARY_LABEL: self.canary, MANAGED_BY_LABEL: MANAGED_BY}

    @property
    def annotations(self) -> dict[str, str]:
        """The owner, and words that keep GitOps tools away from what they did not make."""
        return {OWNER_ANNOTATION: self.owner, **LEFT_ALONE}

    def metadata(self, name: str, original: Mapping[str, Any] | None = None, **annotations: str) -> JSON:
        """The metadata of an object of ours; of `original`, an object, only what `allow` names is taken over."""
        theirs: Mapping[str, Any] = (original or {}).get("metadata") or {}
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": self._taken(theirs.get("labels")) | self.labels,
            "annotations": self._taken(theirs.get("annotations")) | self.annotations | annotations,
        }

    def _taken(self, entries: Mapping[str, str] | None) -> dict[str, str]:
        permitted = permitted_metadata(entries or {})
        return {key: value for key, value in permitted.items() if key.startswith(self.allow)} if self.allow else {}


def permitted_metadata(entries: Mapping[str, str]) -> dict[str, str]:
    """The labels or annotations of an object that a copy of it may bear, whatever else allows them.

    This is about the metadata of objects. The metadata inside a pod template is content, part of the revision that was
    analysed, and is copied whole: `kubectl.kubernetes.io/restartedAt` makes a revision of its own, Helm charts select
    pods by `app.kubernetes.io/instance`, and no tool prunes pods by tracking marks, for they have an owner.

    Sources: Argo CD, "Resource Tracking"; Flux, Kustomization, "Garbage collection"; KEP-3659 (ApplySet); KEDA,
    ScaledObject specification.
    """
    return {key: value for key, value in entries.items() if not denied(key)}


def denied(key: str) -> bool:
    """Whether a label or annotation never passes from an object to its copy."""
    domain = key.partition("/")[0]
    return key in _DENIED_KEYS or any(domain == one or domain.endswith(f".{one}") for one in _DENIED_DOMAINS)


@dataclass(frozen=True, slots=True)
class Ours:
    """The object is this Canary's."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The object was made for a Canary of the same name that is no more: it may be taken over.

    `uid` is that Canary's, empty for what it has left serving when it went.
    """

    uid: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """The object is somebody else's; `who` says whose, in words."""

    who: str


def ownership(obj: Mapping[str, Any], mark: Mark, live_uids: Collection[str]) -> Ours | Stale | Foreign:
    """Whose `obj` is. `live_uids` are the uids of the Canaries that exist.

    A controller's ownerReference beats our annotation: nothing of ours has one, so both together are a copy.
    """
    metadata = obj.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return Foreign(f"{reference.get('kind', '')} {reference.get('name', '')}")
    if OWNER_ANNOTATION not in annotations:
        tool = tracked_by(labels, annotations)
        left_by = labels.get(LEFT_LABEL, "")
        if left_by == mark.canary and not tool:
            return Stale("")
        return Foreign(tool or (f"Canary {left_by}, which has left it" if left_by else "nobody in particular"))
    owner = annotations[OWNER_ANNOTATION]
    name, _, uid = owner.partition("/")
    namespace = metadata.get("namespace", mark.namespace)
    if namespace != mark.namespace or name != mark.canary or not uid:
        return Foreign(f"Canary {namespace}/{name}" if name and uid else f"the unreadable owner {owner!r}")
    if uid == mark.uid:
        return Ours()
    return Foreign(f"another Canary {name}, uid {uid}") if uid in live_uids else Stale(uid)


def unmarked() -> tuple[dict[str, None], dict[str, None]]:
    """Labels and annotations of ours that an object loses when we let go of it, as a merge patch has them."""
    annotations = (OWNER_ANNOTATION, SEQ_ANNOTATION, *LEFT_ALONE)
    return dict.fromkeys((CANARY_LABEL, MANAGED_BY_LABEL)), dict.fromkeys(annotations)


def stable_name(name: str, limit: int = 253) -> str:
    """The name of the stable side's copy of something. One that is too long is cut, and a digest keeps it distinct."""
    if len(name) + len(STABLE_SUFFIX) <= limit:
        return name + STABLE_SUFFIX
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: limit - len(STABLE_SUFFIX) - 9].rstrip('-.')}-{digest}{STABLE_SUFFIX}"
