"""An object of Kubernetes' own kinds as it came: what managed mode copies, compares and writes back as a whole."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from canary.api.kinds import ManagedMeta

_ABSENT = msgspec.Raw(b"")


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """Metadata that can be read at once, and every other part undecoded until `plain` is asked for."""

    metadata: ManagedMeta
    spec: msgspec.Raw = _ABSENT
    status: msgspec.Raw = _ABSENT
    data: msgspec.Raw = _ABSENT
    binary_data: msgspec.Raw = _ABSENT
    type: str | None = None
    revision: int | None = None

    @property
    def version(self) -> tuple[str, str]:
        """Names this very state of this very object: uid and resourceVersion."""
        return self.metadata.uid, self.metadata.resource_version

    @property
    def desired(self) -> tuple[str, int]:
        """Names what this object asks for: uid and generation. Of a Deployment it counts annotations, too, but no
        status. Source: kubernetes/kubernetes, pkg/registry/apps/deployment/strategy.go, `PrepareForUpdate`."""
        return self.metadata.uid, self.metadata.generation

    def plain(self, api_version: str, kind: str) -> dict[str, Any]:
        """The object as decoded JSON: shared, so never to be changed. Items of a list come without version and kind."""
        return _plain(_Identity(self), api_version, kind)


def plain_metadata(metadata: ManagedMeta) -> dict[str, Any]:
    """Metadata as decoded JSON, without what is not set."""
    whole: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(metadata))
    return {name: value for name, value in whole.items() if value not in (None, "", [], {})}


class _Identity:
    """A manifest as a key: hashed by its version, which is cheaper than by its content.

    An etcd that was restored from a backup gives the same versions to other contents.
    """

    __slots__ = ("manifest",)

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def __hash__(self) -> int:
        return hash(self.manifest.version)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.manifest == self.manifest


@lru_cache(maxsize=4096)
def _plain(identity: _Identity, api_version: str, kind: str) -> dict[str, Any]:
    manifest = identity.manifest
    body: dict[str, Any] = {"apiVersion": api_version, "kind": kind}
    body["metadata"] = plain_metadata(manifest.metadata)
    parts = {
        "spec": manifest.spec,
        "status": manifest.status,
        "data": manifest.data,
        "binaryData": manifest.binary_data,
    }
    body |= {name: msgspec.json.decode(raw) for name, raw in parts.items() if bytes(raw)}
    if manifest.type is not None:
        body["type"] = manifest.type
    if manifest.revision is not None:
        body["revision"] = manifest.revision
    return body
