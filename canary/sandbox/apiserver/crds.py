"""CustomResourceDefinitions: from a definition to served resources, and the definition's own status.

Source: Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canary.sandbox.apiserver.objects import Object, dig, edited, meta
from canary.sandbox.apiserver.restype import ResourceType, ScalePaths
from canary.sandbox.apiserver.schema import Cause, causes, default

CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def defaulted_names(crd: Object) -> Object:
    """The definition with `listKind`, `singular` and the conversion strategy filled in."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    kind = names.get("kind", "")
    names = {
        **names,
        "listKind": names.get("listKind") or f"{kind}List",
        "singular": names.get("singular") or kind.lower(),
    }
    return {**crd, "spec": {**spec, "names": names, "conversion": spec.get("conversion") or {"strategy": "None"}}}


def storage_version(crd: Object) -> str:
    return next((version["name"] for version in crd["spec"]["versions"] if version.get("storage")), "")


def problems(crd: Object) -> Iterator[Cause]:
    """What is wrong with a definition as a whole; its schemas are not judged."""
    spec = crd.get("spec") or {}
    names, versions = spec.get("names") or {}, spec.get("versions") or []
    for field in ("plural", "kind"):
        if not names.get(field):
            yield causes.required(f"spec.names.{field}")
    if not spec.get("group"):
        yield causes.required("spec.group")
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if meta(crd).get("name") != wanted:
        detail = 'must be spec.names.plural+"."+spec.group'
        yield causes.invalid("metadata.name", meta(crd).get("name"), detail)
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        yield causes.not_supported("spec.scope", spec.get("scope", ""), ["Cluster", "Namespaced"])
    if sum(bool(version.get("storage")) for version in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        yield causes.invalid("spec.versions", versions, detail)
    for index, version in enumerate(versions):
        if not dig(version, ("schema", "openAPIV3Schema")):
            yield causes.required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required")


def established(crd: Object, now: str) -> Object:
    """The definition with the status that makes it served."""
    status = crd.get("status") or {}
    names = crd["spec"]["names"]
    kept = {item["type"]: item for item in status.get("conditions") or ()}
    for sort, reason, message in (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ):
        kept.setdefault(
            sort,
            {"type": sort, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message},
        )
    stored = list(status.get("storedVersions") or ())
    current = storage_version(crd)
    if current not in stored:
        stored.append(current)
    return edited(
        crd,
        status={**status, "conditions": list(kept.values()), "acceptedNames": names, "storedVersions": stored},
    )


def types_of(crd: Object) -> tuple[ResourceType, ...]:
    """The served versions of an established definition."""
    versions = crd["spec"]["versions"]
    stored = storage_version(crd)
    by_name = {version["name"]: version for version in versions}
    storage_schema = dig(by_name.get(stored), ("schema", "openAPIV3Schema"))
    return tuple(_type(crd, version, stored, storage_schema) for version in versions if version.get("served"))


def _type(crd: Object, version: Object, stored: str, storage_schema: Object | None) -> ResourceType:
    spec, names = crd["spec"], crd["spec"]["names"]
    subresources = version.get("subresources") or {}
    schema = dig(version, ("schema", "openAPIV3Schema")) or {}
    status = subresources.get("status") is not None
    return ResourceType(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        singular=names["singular"],
        list_kind=names["listKind"],
        storage=(spec["group"], names["plural"]),
        storage_version=stored,
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        status=status,
        scale=_scale(subresources.get("scale")),
        counts_generations=True,
        custom=True,
        schema=schema,
        storage_schema=storage_schema,
        default_status=default(schema, {}).get("status") if status else None,
        columns=tuple(version.get("additionalPrinterColumns") or ()),
        selectable=tuple(field["jsonPath"] for field in version.get("selectableFields") or ()),
        preserve_unknown=bool(spec.get("preserveUnknownFields")),
        deprecated=bool(version.get("deprecated")),
        unconditional_update=False,
        reread=version["name"] != stored or int(meta(crd).get("generation") or 1) > 1,
    )


def _scale(paths: Any) -> ScalePaths | None:
    if not isinstance(paths, dict):
        return None
    return ScalePaths(
        spec=paths.get("specReplicasPath", ""),
        status=paths.get("statusReplicasPath", ""),
        selector=paths.get("labelSelectorPath", ""),
    )
