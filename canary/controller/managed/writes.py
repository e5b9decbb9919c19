"""The writes of managed mode: each changes one object, guarded by the version of it that was looked at.

Every patch carries the resourceVersion, so that what was prepared on an older view fails with a conflict instead of
undoing what somebody has decided since. Source: Kubernetes API concepts, "Resource versions"; RFC 6902, section 4.6.
"""

from __future__ import annotations

from typing import Any

import msgspec

from canary.api.manifest import Manifest
from canary.controller.managed.manifests import Manifests
from canary.kube.client import Client, PatchKind
from canary.kube.errors import Conflict, NotFound
from canary.kube.resources import DEPLOYMENTS, Resource
from canary.workload.claims import without_ours

JSON = dict[str, Any]
TIMEOUT = 10.0


class Changed(Exception):
    """The object is not there any more, or was not what it was looked at as: look again."""


class Writer:
    """Writes objects of one kind or another and tells `manifests` what the server made of them."""

    def __init__(self, client: Client, manifests: Manifests) -> None:
        self._client = client
        self._manifests = manifests

    async def create(self, kind: Resource, namespace: str, body: JSON) -> None:
        """Raises `AlreadyExists` or another `KubeError`."""
        raw = await self._client.create(kind, body, namespace, type=msgspec.Raw, timeout=TIMEOUT)
        self._decoded(kind, namespace, body["metadata"]["name"], "", bytes(raw))

    async def merge(self, kind: Resource, namespace: str, name: str, patch: JSON, seen: JSON) -> None:
        """A merge patch over the object as it was `seen`. Raises `Changed` or a `KubeError`."""
        metadata = patch.get("metadata") or {}
        guarded = patch | {"metadata": metadata | _version(seen)}
        await self._patch(kind, namespace, name, guarded, PatchKind.MERGE, seen)

    async def edit(self, kind: Resource, namespace: str, name: str, operations: list[JSON], seen: JSON) -> None:
        """A JSON patch over the object as it was `seen`. Raises `Changed` or a `KubeError`."""
        version = seen["metadata"]["resourceVersion"]
        guard = [{"op": "replace", "path": "/metadata/resourceVersion", "value": version}]
        await self._patch(kind, namespace, name, guard + operations, PatchKind.JSON, seen)

    async def apply(self, kind: Resource, namespace: str, body: JSON, seen: JSON) -> JSON:
        """Own exactly the fields of `body` (server-side apply), over the object as it was `seen`; the result.

        Fields that others own are taken over: only such as are ours by contract may be in `body`. Raises `Changed` or a
        `KubeError`.
        """
        name = body["metadata"]["name"]
        guarded = body | {"metadata": body["metadata"] | _version(seen) | {"uid": seen["metadata"]["uid"]}}
        made = await self._patch(kind, namespace, name, guarded, PatchKind.APPLY, seen, force=True)
        return made.plain(kind.api_version, kind.kind)

    async def give_up(self, kind: Resource, namespace: str, seen: JSON) -> bool:
        """Drop our claims to the spec of somebody else's object as it was `seen`, where others apply it; whether there
        was one. No value changes. Raises `Changed` or a `KubeError`.
        """
        entries = without_ours(seen)
        if entries is None:
            return False
        await self.merge(kind, namespace, seen["metadata"]["name"], {"metadata": {"managedFields": entries}}, seen)
        return True

    async def replace(self, kind: Resource, namespace: str, body: JSON) -> JSON:
        """PUT an object that was read; the result. Raises `Changed` or a `KubeError`."""
        name = body["metadata"]["name"]
        try:
            raw = await self._client.replace(kind, name, body, namespace, type=msgspec.Raw, timeout=TIMEOUT)
        except (Conflict, NotFound) as error:
            raise Changed(str(error)) from error
        made = self._decoded(kind, namespace, name, body["metadata"]["resourceVersion"], bytes(raw))
        return made.plain(kind.api_version, kind.kind)

    async def delete(self, kind: Resource, namespace: str, name: str, seen: JSON | None) -> None:
        """Delete the object that was `seen`; one that is gone already is as good. Raises `Changed` or a `KubeError`."""
        uid = seen["metadata"]["uid"] if seen is not None else None
        try:
            await self._client.delete(kind, name, namespace, uid=uid, propagation="Background", timeout=TIMEOUT)
        except NotFound as error:
            if not error.names_object:
                raise  # The kind is not served at the moment, which says nothing of the object.
        except Conflict as error:
            raise Changed(str(error)) from error
        self._told(kind, namespace, name, seen["metadata"]["resourceVersion"] if seen is not None else "", None)

    async def dry_run(self, namespace: str, name: str, template: JSON) -> JSON:
        """What the server would make of a pod template in a Deployment. Raises a `KubeError`."""
        operations = [{"op": "replace", "path": "/spec/template", "value": template}]
        answer: JSON = await self._client.patch(
            DEPLOYMENTS, name, operations, namespace, kind=PatchKind.JSON, dry_run=True, timeout=TIMEOUT
        )
        made: JSON = answer["spec"]["template"]
        return made

    async def _patch(
        self, kind: Resource, namespace: str, name: str, patch: Any, how: PatchKind, seen: JSON, *, force: bool = False
    ) -> Manifest:
        try:
            raw = await self._client.patch(
                kind, name, patch, namespace, kind=how, force=force, type=msgspec.Raw, timeout=TIMEOUT
            )
        except (Conflict, NotFound) as error:
            raise Changed(str(error)) from error
        return self._decoded(kind, namespace, name, seen["metadata"]["resourceVersion"], bytes(raw))

    def _decoded(self, kind: Resource, namespace: str, name: str, over: str, body: bytes) -> Manifest:
        made = msgspec.json.decode(body, type=Manifest)
        self._told(kind, namespace, name, over, made)
        return made

    def _told(self, kind: Resource, namespace: str, name: str, over: str, made: Manifest | None) -> None:
        if kind in self._manifests.stores:
            self._manifests.wrote(kind, namespace, name, made)
        else:
            self._manifests.wrote_service(namespace, name, over, made.metadata.resource_version if made else "")


def _version(seen: JSON) -> JSON:
    return {"resourceVersion": seen["metadata"]["resourceVersion"]}
