"""Which version of the TrafficSplit API to speak: learnt from the API server, since every mesh ships another CRD."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import msgspec

from canary.kube.client import Client
from canary.kube.codec import decode
from canary.kube.errors import Forbidden, NotFound
from canary.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, Resource

GROUP = "split.smi-spec.io"
PLURAL = "trafficsplits"

Version: TypeAlias = Literal["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"]
VERSIONS: tuple[Version, ...] = get_args(Version)
"""All that exist, oldest first."""
WITH_MATCHES: tuple[Version, ...] = ("v1alpha3", "v1alpha4")
"""Those in which a split may have `spec.matches`; a write through an older one would drop it."""


class VersionError(Exception):
    """No version of the TrafficSplit can be spoken; the message says what to do."""


class NoTrafficSplit(VersionError):
    """The API server knows no TrafficSplit (yet): wait for the CustomResourceDefinition."""


class VersionNotServed(VersionError):
    """The version that the spec asks for is not served."""


class MatchesUnsupported(VersionError):
    """The split has `spec.matches`, and the version has not."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the API server offers; `storage` is `None` where the CustomResourceDefinition may not be read."""

    versions: tuple[str, ...]
    preferred: str = ""
    storage: str | None = None


def resource(version: Version) -> Resource:
    """Where splits of `version` are."""
    return Resource(GROUP, version, PLURAL, "TrafficSplit")


def choose(served: Served, asked: str = "Auto", *, matches: bool = False) -> Version:
    """The version to speak: what was asked for, else the storage version, the preferred one, the highest.

    `asked` is `Auto` or an apiVersion such as `split.smi-spec.io/v1alpha2`. The storage version comes first because
    it needs no conversion, so that a conversion webhook that is down blocks no rollback. With `matches` only versions
    that have the field are considered. Raises `VersionError`.
    """
    usable = [version for version in VERSIONS if version in served.versions]
    if asked != "Auto":
        return _asked(usable, asked.removeprefix(f"{GROUP}/"), matches)
    if not usable:
        offered = ", ".join(served.versions) or "none"
        raise NoTrafficSplit(f"no version of {GROUP} that is known here is served (served: {offered})")
    fitting = [version for version in usable if version in WITH_MATCHES] if matches else usable
    if not fitting:
        raise MatchesUnsupported(
            f"the split has spec.matches, which {', '.join(usable)} would drop: serve {' or '.join(WITH_MATCHES)}, "
            "or remove spec.matches"
        )
    wanted = [version for name in (served.storage, served.preferred) for version in fitting if version == name]
    return wanted[0] if wanted else fitting[-1]


def _asked(usable: list[Version], asked: str, matches: bool) -> Version:
    for version in usable:
        if version == asked:
            if matches and version not in WITH_MATCHES:
                raise MatchesUnsupported(
                    f"the split has spec.matches, which {version} would drop: set spec.traffic.apiVersion to "
                    f"{GROUP}/{WITH_MATCHES[-1]}, or remove spec.matches"
                )
            return version
    raise VersionNotServed(
        f"{GROUP}/{asked} is not served (served: {', '.join(usable) or 'none'}): "
        "change spec.traffic.apiVersion or use Auto"
    )


class _GroupVersion(msgspec.Struct, frozen=True):
    version: str = ""


class _ApiGroup(msgspec.Struct, frozen=True, rename="camel"):
    """The fields of an APIGroup that matter (Kubernetes API discovery)."""

    versions: tuple[_GroupVersion, ...] = ()
    preferred_version: _GroupVersion = _GroupVersion()


class _CrdVersion(msgspec.Struct, frozen=True):
    name: str
    storage: bool = False


class _CrdSpec(msgspec.Struct, frozen=True):
    versions: tuple[_CrdVersion, ...] = ()


class _Crd(msgspec.Struct, frozen=True):
    spec: _CrdSpec = _CrdSpec()


class Discovery:
    """Asks the API server once what it serves, and remembers it until `invalidate`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: Served | None = None
        self._invalidations = 0
        self._asking = asyncio.Lock()

    async def version(self, asked: str = "Auto", *, matches: bool = False) -> Version:
        """`choose` on what is served. Raises `VersionError`, or a `KubeError` when the API server cannot tell."""
        return choose(await self.served(), asked, matches=matches)

    async def served(self) -> Served:
        """What the API server offers; however many ask at once, one asks the server.

        Raises `NoTrafficSplit`, which is not remembered, or a `KubeError`.
        """
        async with self._asking:
            if self._known is not None:
                return self._known
            before = self._invalidations
            served = await self._read()
            if before == self._invalidations:
                self._known = served
            return served

    def invalidate(self) -> None:
        """Ask again next time: the resource answered 404, or its CustomResourceDefinition changed."""
        self._known = None
        self._invalidations += 1

    async def _read(self) -> Served:
        try:
            group = decode((await self._client.fetch(f"/apis/{GROUP}", attempts=3)).body, _ApiGroup)
        except NotFound as error:
            raise NoTrafficSplit(
                f"the API server has no {GROUP}: install the TrafficSplit CustomResourceDefinition of the mesh"
            ) from error
        versions = tuple(version.version for version in group.versions)
        return Served(versions, group.preferred_version.version, await self._storage())

    async def _storage(self) -> str | None:
        """The stored version, where we may know; any other failure is raised, lest chance picks the version."""
        try:
            crd = await self._client.get(CUSTOM_RESOURCE_DEFINITIONS, f"{PLURAL}.{GROUP}", type=_Crd)
        except (Forbidden, NotFound):
            return None
        return next((version.name for version in crd.spec.versions if version.storage), None)


def resource_missing(error: NotFound) -> bool:
    """Whether a 404 says that the API has no TrafficSplits in this version, rather than that one split is gone."""
    return not error.names_object
