"""The user's Deployment as the decision sees it: its revision, its replicas, and who asked for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from canary.api.meta import ManagedFields
from canary.api.names import CONTROLLER_MANAGER, SEQ_ANNOTATION
from canary.workload.canonical import digest_of
from canary.workload.config import ABSENT, ConfigRef, config_digest, copy_name, copyable, references, tracked
from canary.workload.template import revision_of

JSON = dict[str, Any]
AUTOSCALER_MANAGER = "kube-controller-manager"


class Config(NamedTuple):
    """What a template reads, as far as it is tracked: digests, the names of copies, and what is missing, in words."""

    digests: dict[ConfigRef, str]
    copies: dict[str, str]
    missing: str = ""


NOTHING = Config({}, {})


def config_of(template: JSON, found: Mapping[tuple[str, str], JSON], *, secrets: bool) -> Config:
    """The tracked configuration of `template`; `found` are objects of the namespace by kind and name.

    A required object that does not exist has no digest: pods cannot start before it does.
    """
    digests: dict[ConfigRef, str] = {}
    copies: dict[str, str] = {}
    missing = ""
    for ref in references(template):
        obj = found.get((ref.kind, ref.name))
        annotations = (obj or {}).get("metadata", {}).get("annotations") or {}
        if (ref.kind == "Secret" and (not secrets or obj is None)) or not tracked(ref, annotations, secrets=secrets):
            continue
        if obj is None:
            digests[ref] = ABSENT
            if ref.optional:
                # The copy reads a name that nobody has: what is created later has not been tried.
                copies[f"{ref.kind}/{ref.name}"] = copy_name(ref.name, digest_of("absent"))
            missing = missing or ("" if ref.optional else f"{ref.kind} {ref.name} does not exist yet")
            continue
        digests[ref] = digest = config_digest(obj)
        if copyable(obj):
            copies[f"{ref.kind}/{ref.name}"] = copy_name(ref.name, digest)
    return Config(digests, copies, missing)


def revision(template: JSON, config: Config) -> str:
    """The name of the revision that `template` and `config` are; empty while something is missing."""
    return "" if config.missing else revision_of(template, config.digests)


def stamp_of(obj: JSON, uid: str) -> int:
    """The number of the state under which the Canary with `uid` wrote this object last; 0 when it never did."""
    owner, _, number = ((obj["metadata"].get("annotations") or {}).get(SEQ_ANNOTATION, "")).partition("/")
    return int(number) if owner == uid and number.isdecimal() else 0


def stamp(uid: str, seq: int) -> str:
    """The value of the annotation that `stamp_of` reads."""
    return f"{uid}/{seq}"


class Asked(NamedTuple):
    """How many replicas somebody but us and an autoscaler has asked for, and who will do so again at the next sync."""

    size: int | None
    applied_by: str


class _Spec(msgspec.Struct, frozen=True):
    replicas: JSON | None = msgspec.field(name="f:replicas", default=None)


class _Fields(msgspec.Struct, frozen=True):
    spec: _Spec = msgspec.field(name="f:spec", default=_Spec())


_FIELDS = msgspec.json.Decoder(_Fields)


def asked(replicas: int, managed_fields: Iterable[ManagedFields], written: str = "") -> Asked:
    """Who wrote `spec.replicas` last, by its managedFields.

    `written` is what we wrote before we gave up our claim, empty when we have not. A scale from 0 claims nothing: where
    nobody holds the field and it is another than we wrote, somebody has scaled it.
    Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    holders = [entry for entry in managed_fields if _holds_replicas(entry)]
    if written and not holders:
        return Asked(replicas if replicas > 0 and str(replicas) != written else None, "")
    ours = max((entry.time for entry in holders if entry.manager == CONTROLLER_MANAGER), default="")
    theirs = [e for e in holders if e.manager not in (CONTROLLER_MANAGER, AUTOSCALER_MANAGER)]
    latest = max(theirs, key=lambda entry: entry.time, default=None)
    applied = next((e.manager for e in theirs if _applies(e)), "")
    fresh = latest is not None and latest.time >= ours
    return Asked(replicas if fresh and replicas > 0 else None, applied)


def _applies(entry: ManagedFields) -> bool:
    return not entry.subresource and (entry.operation == "Apply" or entry.manager == "kubectl-client-side-apply")


def _holds_replicas(entry: ManagedFields) -> bool:
    if entry.subresource not in ("", "scale"):
        return False
    try:
        return _FIELDS.decode(entry.fields_v1).spec.replicas is not None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
