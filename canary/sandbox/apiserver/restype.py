"""What the server knows of one version of one resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where the /scale subresource finds its numbers: JSON paths such as `.spec.replicas`."""

    spec: str = ".spec.replicas"
    status: str = ".status.replicas"
    selector: str = ""

    @property
    def replicas(self) -> tuple[str, ...]:
        """The steps to the number that is wanted."""
        return steps(self.spec)


def steps(path: str) -> tuple[str, ...]:
    """A JSON path without its dots."""
    return tuple(part for part in path.split(".") if part)


@dataclass(frozen=True, kw_only=True, eq=False)
class ResourceType:
    """One served version of a resource, built in or custom.

    `storage` names the collection that holds the objects: versions of one resource, and the two Event resources, share
    it. `schema` is the structural schema of a custom resource and `columns` its additionalPrinterColumns.
    """

    group: str
    version: str
    plural: str
    kind: str
    singular: str
    storage: tuple[str, str]
    storage_version: str
    list_kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    status: bool = False
    scale: ScalePaths | None = None
    counts_generations: bool = False
    custom: bool = False
    schema: Mapping[str, Any] | None = None
    columns: tuple[Mapping[str, Any], ...] | None = None
    storage_schema: Mapping[str, Any] | None = None
    selectable: tuple[str, ...] = ()
    preserve_unknown: bool = False
    deprecated: bool = False
    # Whether what is stored must be read through `schema`; `seen` remembers the outcome by resourceVersion.
    reread: bool = False
    seen: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict, repr=False)
    # What a custom resource without a status is seen to have.
    default_status: Mapping[str, Any] | None = None
    # Parts of `schema`, by the top-level fields they are about.
    narrowed: dict[frozenset[str], Mapping[str, Any]] = field(default_factory=dict, repr=False)
    # PUT to a name that does not exist creates it.
    creates_on_update: bool = False
    # PUT without a resourceVersion overwrites whatever is there.
    unconditional_update: bool = True
    returns_deleted: bool = False
    # What DELETE does with dependents when the request does not say.
    default_propagation: str = "Background"
    # Whether DELETE has an eye to dependents at all.
    collected: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`deployments.apps`; `pods` in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural
