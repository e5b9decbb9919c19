"""Adds and removes one finalizer, leaving those of others alone.

A controller adds its finalizer before its first side effect, and removes it after the last trace is gone. Both may be
repeated. Each is a JSON patch (RFC 6902) whose `test` operations name the object (uid) and what the list looked like,
so that neither a finalizer that somebody added meanwhile nor a new object of the same name is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from canary.kube.client import Client, PatchKind
from canary.kube.errors import Conflict, Invalid, KubeError, NotFound
from canary.kube.resources import Resource

_ATTEMPTS = 5


class ChangedMeanwhile(KubeError):
    """The object is no longer the one that was read: read it again and decide anew."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An object's metadata as it was read: the guard of a write."""

    uid: str
    resource_version: str
    finalizers: tuple[str, ...]
    deleting: bool = False


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    uid: str = ""
    resource_version: str = ""
    finalizers: tuple[str, ...] = ()
    deletion_timestamp: str | None = None


class _Object(msgspec.Struct, frozen=True):
    metadata: _Metadata


async def see(client: Client, resource: Resource, name: str, namespace: str | None) -> Seen | None:
    """Read what a finalizer write needs; `None` when the object is gone."""
    try:
        metadata = (await client.get(resource, name, namespace, type=_Object)).metadata
    except NotFound:
        return None
    return Seen(
        metadata.uid, metadata.resource_version, metadata.finalizers, deleting=metadata.deletion_timestamp is not None
    )


async def add_finalizer(
    client: Client, resource: Resource, name: str, namespace: str | None, finalizer: str, *, uid: str
) -> bool:
    """Put `finalizer` on the object; whether it is there now.

    False: the object is gone, is another one than `uid`, or is being deleted, which forbids new finalizers. Raises
    `ChangedMeanwhile` when it changes faster than it can be read.
    """
    refusal: ChangedMeanwhile | None = None
    for _ in range(_ATTEMPTS):
        seen = await see(client, resource, name, namespace)
        if seen is None or seen.uid != uid:
            return False
        if finalizer in seen.finalizers:
            return True
        if seen.deleting:
            return False
        try:
            await _patch(client, resource, name, namespace, _addition(seen, finalizer))
            return True
        except NotFound:
            return False
        except ChangedMeanwhile as error:
            refusal = error
    raise ChangedMeanwhile(
        f"{resource.plural} {namespace}/{name} changes as fast as it is read, or refuses"
    ) from refusal


async def remove_finalizer(
    client: Client,
    resource: Resource,
    name: str,
    namespace: str | None,
    finalizer: str,
    *,
    uid: str,
    seen: Seen | None = None,
) -> None:
    """Take `finalizer` off the object `uid`; fine when it is not there, or the object is gone or another one.

    With `seen` there is one write, bound to that very resourceVersion: `ChangedMeanwhile` says that what was decided
    from it no longer holds. Without it the object is read, a few times if need be.
    """
    refusal: ChangedMeanwhile | None = None
    for _ in range(_ATTEMPTS if seen is None else 1):
        current = seen or await see(client, resource, name, namespace)
        if current is None or current.uid != uid or finalizer not in current.finalizers:
            return
        try:
            await _patch(client, resource, name, namespace, _removal(current, finalizer, exact=seen is not None))
            return
        except NotFound:
            return
        except ChangedMeanwhile as error:
            refusal = error
    raise ChangedMeanwhile(f"{resource.plural} {namespace}/{name} is not what was read; decide anew") from refusal


def _test(path: str, value: str) -> dict[str, Any]:
    return {"op": "test", "path": path, "value": value}


def _addition(seen: Seen, finalizer: str) -> list[dict[str, Any]]:
    # Without a list there is nothing to test but the version; with one, appending cannot hurt another's entry.
    guards = [_test("/metadata/uid", seen.uid), _test("/metadata/resourceVersion", seen.resource_version)]
    if seen.finalizers:
        return [*guards, {"op": "add", "path": "/metadata/finalizers/-", "value": finalizer}]
    return [*guards, {"op": "add", "path": "/metadata/finalizers", "value": [finalizer]}]


def _removal(seen: Seen, finalizer: str, *, exact: bool) -> list[dict[str, Any]]:
    path = f"/metadata/finalizers/{seen.finalizers.index(finalizer)}"
    guards = [_test("/metadata/uid", seen.uid), _test(path, finalizer)]
    if exact:
        guards.append(_test("/metadata/resourceVersion", seen.resource_version))
    return [*guards, {"op": "remove", "path": path}]


async def _patch(client: Client, resource: Resource, name: str, namespace: str | None, patch: Any) -> None:
    """Send a guarded patch. A failed `test` is answered with 422, as some other refusals are."""
    try:
        await client.patch(resource, name, patch, namespace, kind=PatchKind.JSON)
    except (Conflict, Invalid) as error:
        raise ChangedMeanwhile(str(error)) from error
