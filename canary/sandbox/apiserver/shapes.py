"""How lists and maps of a type merge: as one value, as a set, or item by item under a key.

Custom resources say so in their schema (`x-kubernetes-list-type` …). For the built-in kinds the markers of the
published types are listed here by field name. Source: Kubernetes, "Server-Side Apply", merge strategy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Shape(Protocol):
    """One node of a type."""

    @property
    def atomic(self) -> bool:
        """Whether a map or list here is one value with one owner."""
        ...

    @property
    def is_set(self) -> bool:
        """Whether a list here is a set of scalars."""
        ...

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields that identify an item of a list here; empty for another sort of list."""
        ...

    @property
    def open(self) -> bool:
        """Whether a map here has keys of the user's choosing."""
        ...

    @property
    def sparse(self) -> bool:
        """Whether a map or list here can be absent, which in a built-in kind is to be empty."""
        ...

    def key_default(self, key: str) -> Any:
        """The value of an item's key field that is not given, or `None`."""
        ...

    def field(self, name: str) -> Shape: ...

    def item(self) -> Shape: ...


_MAP_LISTS: dict[str | tuple[str, str], tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "schedulingGates": ("name",),
    "readinessGates": (),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "podIPs": ("ip",),
    "hostIPs": ("ip",),
    "secrets": ("name",),
    "webhooks": ("name",),
    ("containers", "ports"): ("containerPort", "protocol"),
    ("initContainers", "ports"): ("containerPort", "protocol"),
    ("spec", "ports"): ("port", "protocol"),
}
_SETS = frozenset({("metadata", "finalizers")})
_ATOMIC = frozenset(
    {
        "selector",
        "labelSelector",
        "namespaceSelector",
        "podSelector",
        "nodeSelector",
        "secretKeyRef",
        "configMapKeyRef",
        "fieldRef",
        "resourceFieldRef",
        "rawExtension",
        "roleRef",
        "involvedObject",
        "regarding",
        "related",
        "targetRef",
        "objectReference",
    }
)
_OPEN = frozenset(
    {"labels", "annotations", "data", "binaryData", "stringData", "limits", "requests", "matchLabels", "capacity"}
)
_KEY_DEFAULTS = {"protocol": "TCP"}


class BuiltinShape:
    """A node of a built-in type, known by its name and that of its parent."""

    __slots__ = ("_in_list", "_name", "_parent", "keys")

    def __init__(self, parent: str = "", name: str = "", *, in_list: bool = False) -> None:
        self._parent, self._name, self._in_list = parent, name, in_list
        keys = _MAP_LISTS.get((parent, name))
        self.keys = () if in_list else keys if keys is not None else _MAP_LISTS.get(name, ())

    @property
    def atomic(self) -> bool:
        if self._in_list:
            return self._name == "ownerReferences"
        return self._name in _ATOMIC

    @property
    def is_set(self) -> bool:
        return not self._in_list and (self._parent, self._name) in _SETS

    @property
    def open(self) -> bool:
        return not self._in_list and self._name in _OPEN

    @property
    def sparse(self) -> bool:
        return False

    def key_default(self, key: str) -> Any:
        return _KEY_DEFAULTS.get(key)

    def field(self, name: str) -> Shape:
        return BuiltinShape(self._name, name)

    def item(self) -> Shape:
        return BuiltinShape(self._parent, self._name, in_list=True)


class RawShape(BuiltinShape):
    """The root of a built-in kind of which some fields are kept as text: each is one value, whatever is in it."""

    __slots__ = ("_raw",)

    def __init__(self, raw: tuple[str, ...]) -> None:
        super().__init__()
        self._raw = raw

    def field(self, name: str) -> Shape:
        return BuiltinShape("", "rawExtension") if name in self._raw else super().field(name)


_EMPTY: Mapping[str, Any] = {}


class SchemaShape:
    """A node of a custom resource, read from its structural schema."""

    __slots__ = ("_root", "_schema")

    def __init__(self, schema: Mapping[str, Any], *, root: bool = False) -> None:
        self._schema, self._root = schema, root

    @property
    def atomic(self) -> bool:
        return self._schema.get("x-kubernetes-map-type") == "atomic"

    @property
    def is_set(self) -> bool:
        return self._schema.get("x-kubernetes-list-type") == "set"

    @property
    def keys(self) -> tuple[str, ...]:
        if self._schema.get("x-kubernetes-list-type") != "map":
            return ()
        return tuple(self._schema.get("x-kubernetes-list-map-keys", ()))

    @property
    def open(self) -> bool:
        return "properties" not in self._schema

    @property
    def sparse(self) -> bool:
        return True

    def key_default(self, key: str) -> Any:
        return self._schema.get("items", _EMPTY).get("properties", _EMPTY).get(key, _EMPTY).get("default")

    def field(self, name: str) -> Shape:
        if self._root and name == "metadata":
            return METADATA
        below = self._schema.get("properties", _EMPTY).get(name)
        if below is None:
            below = self._schema.get("additionalProperties")
        if isinstance(below, Mapping) and below.get("x-kubernetes-embedded-resource"):
            return SchemaShape(below, root=True)
        return SchemaShape(below if isinstance(below, Mapping) else _EMPTY)

    def item(self) -> Shape:
        items = self._schema.get("items")
        return SchemaShape(items if isinstance(items, Mapping) else _EMPTY)


METADATA: Shape = BuiltinShape("", "metadata")
BUILTIN_ROOT: Shape = BuiltinShape()
