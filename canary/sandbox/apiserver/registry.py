"""Which resources are served: the built-in ones, those of CustomResourceDefinitions, and aggregated APIs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from canary.kube.transport import Response
from canary.sandbox.apiserver.builtin import BUILTIN
from canary.sandbox.apiserver.request import Request
from canary.sandbox.apiserver.restype import ResourceType

Handler = Callable[[Request], Response | Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Aggregated:
    """A group and version that someone else answers for; `resources` are APIResource objects for discovery."""

    group: str
    version: str
    resources: tuple[dict[str, Any], ...]
    handler: Handler


class Registry:
    """Lookups by path and by kind. `generation` grows with every change, for those who cache."""

    def __init__(self) -> None:
        self.generation = 1
        self._by_path = {(kind.group, kind.version, kind.plural): kind for kind in BUILTIN}
        self._custom: dict[str, tuple[ResourceType, ...]] = {}
        self._aggregated: dict[tuple[str, str], Aggregated] = {}

    def find(self, group: str, version: str, plural: str) -> ResourceType | None:
        return self._by_path.get((group, version, plural))

    def all(self) -> tuple[ResourceType, ...]:
        """Every served version of every resource, built-in ones first."""
        return tuple(self._by_path.values())

    def by_kind(self, api_version: str, kind: str) -> ResourceType | None:
        group, _, version = api_version.rpartition("/")
        for candidate in self._by_path.values():
            if (candidate.group, candidate.version, candidate.kind) == (group, version, kind):
                return candidate
        return None

    def by_storage(self, storage: tuple[str, str]) -> ResourceType | None:
        """A served version of the resource that is kept in `storage`, the stored one if it is served."""
        found = [kind for kind in self._by_path.values() if kind.storage == storage and "list" in kind.verbs]
        for kind in found:
            if kind.version == kind.storage_version and kind.group == storage[0]:
                return kind
        return found[0] if found else None

    def stored(self) -> tuple[ResourceType, ...]:
        """One type for each collection of objects."""
        found = {kind.storage: kind for kind in self._by_path.values() if "list" in kind.verbs}
        return tuple(self.by_storage(storage) or kind for storage, kind in found.items())

    def set_custom(self, definition: str, types: Iterable[ResourceType]) -> None:
        """Serve `types` in place of what the CRD named `definition` has had served so far."""
        for old in self._custom.pop(definition, ()):
            self._by_path.pop((old.group, old.version, old.plural), None)
        new = tuple(types)
        if new:
            self._custom[definition] = new
        self._by_path.update({(kind.group, kind.version, kind.plural): kind for kind in new})
        self.generation += 1

    def custom(self, definition: str) -> tuple[ResourceType, ...]:
        return self._custom.get(definition, ())

    def set_aggregated(self, api: Aggregated) -> None:
        self._aggregated[(api.group, api.version)] = api
        self.generation += 1

    def drop_aggregated(self, group: str, version: str) -> None:
        if self._aggregated.pop((group, version), None) is not None:
            self.generation += 1

    def aggregated(self, group: str, version: str) -> Aggregated | None:
        return self._aggregated.get((group, version))

    def all_aggregated(self) -> tuple[Aggregated, ...]:
        return tuple(self._aggregated.values())
