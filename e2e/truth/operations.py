"""Sequences of operations, drawn by a seed: few names and few kinds, so that they meet."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from canary.kube.resources import NAMESPACES, PODS, Resource
from e2e.truth.kinds import JSON_PATCHES, KINDS, METADATA
from e2e.truth.objects import CANARIES, CONFIG_MAPS, SPLITS
from e2e.truth.playable import HOLD, Kind
from e2e.truth.probe import JSON_PATCH, MERGE, STRATEGIC

# How many are played.
SEQUENCES = 320
NAMES = ("web", "web", "web", "other")
DEPLOYMENTS_PLURAL = "deployments"
_LENGTHS = range(5, 16)


class Which(StrEnum):
    """Which of the states that were seen of an object an operation refers to."""

    NONE = "none"
    FRESH = "fresh"
    FIRST = "first"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Operation:
    """One request but for what is known only when it is sent: the versions and identities that were seen before.

    `version` and `uid` are what is sent of them, `base` what a replacement starts from.
    """

    verb: str
    kind: Kind
    resource: Resource
    name: str
    body: Any = None
    sub: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    version: Which = Which.NONE
    uid: Which = Which.NONE
    base: Which = Which.NONE
    owner: Resource | None = None

    @property
    def collects(self) -> bool:
        """Whether the garbage collector may have to do with it."""
        policy = self.body.get("propagationPolicy") if isinstance(self.body, dict) else None
        return self.owner is not None or policy in ("Foreground", "Orphan")

    def __str__(self) -> str:
        words = [self.verb, f"{self.resource.plural}.{self.resource.version}/{self.name}"]
        words += [f"/{self.sub}"] if self.sub else []
        words += [f"{key}={value}" for key, value in self.query.items()]
        words += [self.content_type.split("/")[1]] if self.verb == "patch" else []
        for word, which in (("resourceVersion", self.version), ("uid", self.uid), ("base", self.base)):
            words += [f"{word}:{which}"] if which is not Which.NONE else []
        words += [f"owner:{self.owner.plural}"] if self.owner else []
        return " ".join(words) + (f" {json.dumps(self.body)}" if self.body is not None else "")


def operations(seed: int) -> list[Operation]:
    """The sequence of a seed."""
    rng = random.Random(seed)
    kinds = _chosen_kinds(rng)
    drawn = [_create(rng, kinds[0], kinds[0].resource, "web")] if rng.random() < 0.7 else []
    length = rng.choice(_LENGTHS)
    while len(drawn) < length:
        drawn.append(_one(rng, rng.choice(kinds)))
    return drawn


def _chosen_kinds(rng: random.Random) -> list[Kind]:
    weights = [kind.weight for kind in KINDS]
    if rng.random() < 0.12:
        # A family for the garbage collector.
        return [kind for kind in KINDS if kind.resource in (CANARIES, SPLITS)]
    return rng.choices(KINDS, weights, k=rng.choice((1, 1, 2)))


def _one(rng: random.Random, kind: Kind) -> Operation:
    resource = rng.choice(kind.versions) if rng.random() < 0.5 else kind.resource
    name = rng.choice(NAMES)
    draws: list[tuple[int, Callable[[random.Random, Kind, Resource, str], Operation]]] = [
        (18, _create),
        (4, _get),
        (9, _list),
        (5, _watch),
        (18, _update),
        (24, _patch),
        (14, _apply),
        (15, _delete),
        (4, _delete_many),
    ]
    if kind.statuses:
        draws.append((14, _status))
    if resource.plural == DEPLOYMENTS_PLURAL:
        draws.append((14, _scale))
    if resource == NAMESPACES:
        # There is but the namespace of the sequence, and it stays.
        draws = [(w, draw) for w, draw in draws if draw is not _delete_many]
    (draw,) = rng.choices([draw for _, draw in draws], [w for w, _ in draws])
    return draw(rng, kind, resource, name)


def _edit(rng: random.Random, kind: Kind) -> Any:
    return rng.choice(kind.edits if rng.random() < 0.6 else METADATA)


def _query(rng: random.Random, *, dry: float = 0.07) -> dict[str, str]:
    query = {}
    if rng.random() < dry:
        query["dryRun"] = "All"
    if rng.random() < 0.15:
        query["fieldValidation"] = rng.choice(("Strict", "Strict", "Ignore", "Warn"))
    if rng.random() < 0.3:
        query["fieldManager"] = rng.choice(("one", "two"))
    return query


def _create(rng: random.Random, kind: Kind, resource: Resource, name: str) -> Operation:
    body: Any = rng.choice(kind.edits) if rng.random() < 0.25 else {}
    if rng.random() < 0.1:
        body = {"metadata": {"finalizers": [HOLD]}}
    owner = CANARIES if kind.resource in (SPLITS, CONFIG_MAPS) and rng.random() < 0.25 else None
    return Operation("create", kind, resource, name, body, query=_query(rng), owner=owner)


def _get(rng: random.Random, kind: Kind, resource: Resource, name: str) -> Operation:
    return Operation("get", kind, resource, name, sub="status" if kind.statuses and rng.random() < 0.2 else None)


_LABELS = ("app=x", "app!=x", "app in (x, y),tier=front", "!app", "tier notin (back)", "app in (")
_FIELDS = ("metadata.name=web", "metadata.name!=web", "spec.odd=1")


def _selection(rng: random.Random) -> dict[str, str]:
    query = {}
    if rng.random() < 0.4:
        query["labelSelector"] = rng.choice(_LABELS)
    if rng.random() < 0.2:
        query["fieldSelector"] = rng.choice(_FIELDS)
    return query


def _list(rng: random.Random, kind: Kind, resource: Resource, name: str) -> Operation:
    # There are other namespaces, which would be on pages of their own.
    verbs = ("list", "stream") if resource == NAMESPACES else ("list", "page", "page", "stream")
    verb = rng.choice(verbs)
    return Operation(verb, kind, resource, name, query=_selection(rng))


def _watch(rng: random.Random, kind: Kind, resource: Resource, name: str) -> Operation:
    """To be read when the sequence is over."""
    query = {key: value for key, value in _selection(rng).items() if value not in (_LABELS[-1], _FIELDS[-1])}
    if rng.random() < 0.3:
        query["allowWatchBookmarks"] = "true"
    return Operation("watch", kind, resource, name, query=query, version=rng.choice((Which.FRESH, Which.FIRST)))


def _which(rng: random.Random) -> Which:
    return rng.choices((Which.FRESH, Which.FIRST, Which.NONE), (5, 3, 3))[0]


def _update(rng: random.Random, kind: Kind, resource: Resource, name: str) -> Operation:
    base = rng.choice((Which.FRESH, Which.FRESH, Which.FIRST, Which.NONE))
    version, uid = _which(rng), rng.choice((Which.FRESH, Which.FRESH, Which.FIRST, Which.NONE))
    sub, edit = None, _edit(rng, kind)
    if kind.statuses and rng.random() < 0.25:
        sub, edit = "status", rng.choice(kind.statuses)
    return Operation(
        "update", kind, resource, name, edit, sub=sub, query=_query(rng), version=version, uid=uid, base=base
    )


def _patch(rng: random.Random, kind: Kind, resource: Resource, name: str) -> Operation:
    content_type = rng.choice((MERGE, MERGE, JSON_PATCH, MERGE if kind.custom else STRATEGIC))
    version, uid = Which.NONE, Which.NONE
    if content_type == JSON_PATCH:
        edit = rng.choice((*JSON_PATCHES, *kind.json_patches, *kind.json_patches))
    else:
        edit = _edit(rng, kind)
        if rng.random() < 0.3:
            version = rng.choice((Which.FRESH, Which.FIRST))
        if rng.random() < 0.15:
            uid = rng.choice((Which.FRESH, Which.FIRST, Which.FOREIGN))
    return Operation(
        "patch", kind, resource, name, edit, query=_query(rng), content_type=content_type, version=version, uid=uid
    )


def _status(rng: random.Random, kind: Kind, resource: Resource, name: str) -> Operation:
    version = rng.choice((Which.FRESH, Which.FIRST, Which.NONE))
    edit = rng.choice(kind.statuses)
    verb = rng.choice(("patch", "patch", "patch", "apply")) if kind.custom else "patch"
    query = {"fieldManager": "status"} if verb == "apply" else _query(rng)
    content_type = MERGE if verb == "patch" else "application/apply-patch+yaml"
    return Operation(
        verb, kind, resource, name, edit, sub="status", query=query, content_type=content_type, version=version
    )


def _apply(rng: random.Random, kind: Kind, resource: Resource, name: str) -> Operation:
    query = {**_query(rng, dry=0.1), "fieldManager": rng.choice(("one", "two"))}
    if rng.random() < 0.35:
        query["force"] = "true"
    version = rng.choice((Which.FRESH, Which.FIRST)) if rng.random() < 0.12 else Which.NONE
    uid = rng.choice((Which.FRESH, Which.FIRST, Which.FOREIGN)) if rng.random() < 0.15 else Which.NONE
    return Operation("apply", kind, resource, name, _edit(rng, kind), query=query, version=version, uid=uid)


def _scale(rng: random.Random, kind: Kind, resource: Resource, name: str) -> Operation:
    verb = rng.choice(("get", "patch", "scale"))
    body = None if verb == "get" else {"spec": {"replicas": rng.choice((0, 0, 1, -1, "x"))}}
    version = rng.choice((Which.NONE, Which.FRESH, Which.FIRST)) if verb != "get" else Which.NONE
    content_type = MERGE if verb == "patch" else "application/json"
    return Operation(verb, kind, resource, name, body, sub="scale", content_type=content_type, version=version)


def _delete(rng: random.Random, kind: Kind, resource: Resource, name: str) -> Operation:
    body: dict[str, Any] = {}
    # The sequence's own namespace may only be deleted in a dry run or by what it is not.
    lasting = resource == NAMESPACES
    if rng.random() < 0.08 or lasting:
        body["dryRun"] = ["All"]
    if rng.random() < 0.3 and not lasting:
        body["propagationPolicy"] = rng.choice(("Background", "Foreground", "Orphan", "Sideways"))
    if resource == PODS and rng.random() < 0.5:
        body["gracePeriodSeconds"] = rng.choice((0, 5, 60))
    version = rng.choice((Which.FRESH, Which.FIRST)) if rng.random() < 0.3 else Which.NONE
    uid = rng.choice((Which.FRESH, Which.FIRST, Which.FOREIGN)) if rng.random() < 0.3 else Which.NONE
    return Operation("delete", kind, resource, name, body, version=version, uid=uid)


def _delete_many(rng: random.Random, kind: Kind, resource: Resource, name: str) -> Operation:
    query = {key: value for key, value in _selection(rng).items() if value != _FIELDS[-1]}
    return Operation("deletecollection", kind, resource, name, {}, query=query)
