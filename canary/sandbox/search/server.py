"""The API server of a search: one Canary, one TrafficSplit, and the endpoints and pods behind two Services.

As much of Kubernetes as the split protocol rests on: compare-and-swap by resourceVersion, uids that never return, and
JSON patches with `test`. The embedded API server does all of it, but cannot be copied thousands of times a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from canary.api.names import CONTROLLER_MANAGER, STATE_ANNOTATION
from canary.core.state import State, UnknownVersion, decode_state
from canary.sandbox.search.values import Answer, Request, World

NAMESPACE, NAME, ROOT, STABLE, TRIAL = "demo", "shop", "shop", "shop-v1", "shop-v2"
CANARY_UID = "canary-1"


@dataclass(frozen=True, slots=True)
class Written:
    """One accepted write, as the oracle reads it. `by` is the process, or empty for anybody else."""

    monotonic: float
    plural: str
    old: dict[str, Any] | None
    new: dict[str, Any] | None
    by: str = ""
    subresource: str = ""
    namespace: str = NAMESPACE
    name: str = NAME

    @property
    def manager(self) -> str:
        return CONTROLLER_MANAGER if self.by else "somebody"


@lru_cache(maxsize=1 << 16)
def decoded(body: bytes) -> dict[str, Any]:
    """A stored object; it is shared and must not be changed."""
    found: dict[str, Any] = msgspec.json.decode(body)
    return found


@lru_cache(maxsize=1 << 16)
def state_of(split: bytes | None) -> State | None:
    """What the stored split says, if anything can be read."""
    if split is None:
        return None
    try:
        return decode_state((decoded(split)["metadata"].get("annotations") or {}).get(STATE_ANNOTATION))
    except UnknownVersion:
        return None


def execute(world: World, request: Request, by: str) -> tuple[World, Answer, Written | None]:
    """One request takes effect; the write, if it was accepted and changed something."""
    if request.path.endswith("/endpointslices"):
        return world, Answer(200, slices(world.revision)), None
    if "/trafficsplits" in request.path:
        return _split(world, request, by)
    return _canary(world, request, by)


def _split(world: World, request: Request, by: str) -> tuple[World, Answer, Written | None]:
    if request.method == "GET":
        return world, _missing("trafficsplits") if world.split is None else Answer(200, world.split), None
    body: dict[str, Any] = msgspec.json.decode(request.body)
    if request.method == "POST":
        if world.split is not None:
            return world, _error(409, "AlreadyExists"), None
        return stored(world, body, by)
    if world.split is None:
        return world, _missing("trafficsplits"), None
    have, sent = decoded(world.split)["metadata"], body["metadata"]
    if (sent.get("uid", have["uid"]), sent["resourceVersion"]) != (have["uid"], have["resourceVersion"]):
        return world, _error(409, "Conflict"), None
    return stored(world, body, by)


def stored(world: World, body: dict[str, Any] | None, by: str = "") -> tuple[World, Answer, Written]:
    """The split becomes `body`, with a uid of its own if there was none; `None` deletes it."""
    old = decoded(world.split) if world.split is not None else None
    if body is None:
        gone = replace(world, split=None)
        return gone, Answer(200, b"{}"), Written(world.now, "trafficsplits", old, None, by)
    splits, version = world.splits + (old is None), world.version + 1
    uid = f"split-{splits}" if old is None else old["metadata"]["uid"]
    new = body | {"metadata": body["metadata"] | {"uid": uid, "resourceVersion": str(version)}}
    raw = msgspec.json.encode(new)
    after = replace(world, split=raw, splits=splits, version=version)
    return after, Answer(200, raw), Written(world.now, "trafficsplits", old, new, by)


def _canary(world: World, request: Request, by: str) -> tuple[World, Answer, Written | None]:
    if request.method == "GET":
        return world, Answer(200, world.canary), None
    old = decoded(world.canary)
    new: dict[str, Any] = msgspec.json.decode(world.canary)
    for operation in msgspec.json.decode(request.body):
        refused = _apply(new, operation)
        if refused:
            return world, _error(refused, "Conflict" if refused == 409 else "Invalid"), None
    subresource = "status" if request.path.endswith("/status") else ""
    if subresource:
        new["status"] = _wordless(new["status"])
    return changed(world, old, new, by, subresource)


def changed(
    world: World, old: dict[str, Any], new: dict[str, Any], by: str = "", subresource: str = ""
) -> tuple[World, Answer, Written]:
    """The Canary becomes `new`."""
    new["metadata"]["resourceVersion"] = str(int(old["metadata"]["resourceVersion"]) + 1)
    raw = msgspec.json.encode(new)
    write = Written(world.now, "canaries", _specless(old), _specless(new), by, subresource)
    return replace(world, canary=raw), Answer(200, raw), write


def _specless(canary: dict[str, Any]) -> dict[str, Any]:
    """The spec never changes: whoever has heard it once need not read it again."""
    return canary | {"spec": None}


def _wordless(status: dict[str, Any]) -> dict[str, Any]:
    """A status without sentences, numbers and times: nothing is decided on them, and worlds differ by them alone."""
    kept = {name: value for name, value in status.items() if name not in ("message", "nextEvaluation")}
    for name, blank in _BLANK.items():
        if name in kept:
            kept[name] = [
                {word: blank.get(word, value) for word, value in entry.items() if blank.get(word) != ""}
                for entry in kept[name]
            ]
    return kept


_MOMENT = "2026-01-01T00:00:00Z"
_BLANK = {
    "conditions": {"message": "", "lastTransitionTime": _MOMENT},
    "metrics": {"message": "", "canary": "", "stable": ""},
    "history": {"endedAt": _MOMENT},
}


def _apply(document: dict[str, Any], operation: dict[str, Any]) -> int:
    """One operation of RFC 6902 on the paths that the controller uses; the status of a refusal, or 0."""
    *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:])
    target = document
    for part in parents:
        target = target.get(part, {})
    match operation["op"]:
        case "test" if target.get(last) != operation["value"]:
            return 422
        case "remove":
            if last not in target:
                return 422
            del target[last]
        case "add":
            target[last] = operation["value"]
        case "replace" if last == "resourceVersion" and target[last] != operation["value"]:
            return 409
    return 0


@lru_cache
def slices(revision: int) -> bytes:
    """The EndpointSlices of both Services; the pods behind the canary are of this revision."""
    pieces = [_slice(STABLE, "stable"), _slice(TRIAL, f"r{revision}")]
    return msgspec.json.encode({"metadata": {"resourceVersion": "1"}, "items": pieces})


def _slice(service: str, marker: str) -> dict[str, Any]:
    pod = {"kind": "Pod", "name": f"{service}-{marker}", "namespace": NAMESPACE}
    address = str(len(service) + len(marker))
    return {
        "metadata": {
            "name": service,
            "namespace": NAMESPACE,
            "uid": service,
            "resourceVersion": marker,
            "labels": {"kubernetes.io/service-name": service},
        },
        "endpoints": [{"addresses": [f"{marker}.{address}"], "conditions": {"ready": True}, "targetRef": pod}],
    }


@lru_cache
def pods(revisions: int) -> bytes:
    """The pods of both Services, those of every revision behind the canary."""
    markers = [(STABLE, "stable"), *((TRIAL, f"r{number}") for number in range(1, revisions + 1))]
    items = [
        {
            "metadata": {
                "name": f"{service}-{marker}",
                "namespace": NAMESPACE,
                "uid": f"{service}-{marker}",
                "labels": {"pod-template-hash": marker},
            }
        }
        for service, marker in markers
    ]
    return msgspec.json.encode({"metadata": {"resourceVersion": "1"}, "items": items})


def _missing(plural: str) -> Answer:
    return _error(404, "NotFound", {"name": ROOT, "kind": plural})


def _error(code: int, reason: str, details: dict[str, str] | None = None) -> Answer:
    return Answer(code, msgspec.json.encode({"reason": reason, "message": reason, "details": details or {}}))
