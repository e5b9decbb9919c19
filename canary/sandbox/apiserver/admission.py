"""From the object that a client sent to the object that is stored: pruning, defaults, checks.

Source: Kubernetes API concepts, "Field validation"; Kubernetes, "Validation" of custom resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.api.rules import by_cel
from canary.sandbox.apiserver import rules
from canary.sandbox.apiserver.builtin import CRDS
from canary.sandbox.apiserver.cluster import Call
from canary.sandbox.apiserver.conversion import to_storage
from canary.sandbox.apiserver.crds import problems as definition_problems
from canary.sandbox.apiserver.defaults import filled_in
from canary.sandbox.apiserver.metadata import unfit
from canary.sandbox.apiserver.objects import Object, meta
from canary.sandbox.apiserver.openapi.structural import structural, wrong_type
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.schema import Cause, default, prune, unknown_fields, validate
from canary.sandbox.apiserver.status import invalid
from canary.sandbox.apiserver.validity import kind_problems, meta_problems

_RULES = by_cel()
_TYPE_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


def _changed(obj: Object, old: Object | None) -> frozenset[str]:
    """The top-level fields in which `obj` differs from `old`."""
    if old is None:
        return frozenset(obj)
    return frozenset(name for name in obj.keys() | old.keys() if obj.get(name) != old.get(name))


def check_fields(call: Call, obj: Object, old: Object | None = None) -> tuple[str, ...]:
    """The warnings about fields that the kind does not have; with `fieldValidation=Strict` a refusal.

    Fields that are as in `old` are known to be right.
    """
    schema = _schema(call.kind)
    wanted = call.request.query.get("fieldValidation") or "Warn"
    if schema is None or wanted == "Ignore":
        return ()
    changed = _changed(obj, old)
    found = tuple(unknown_fields(schema, {name: value for name, value in obj.items() if name in changed}))
    if found and wanted == "Strict":
        detail = f"strict decoding error: {', '.join(found)}"
        raise unfit(call, detail)
    return found


def check_types(call: Call, obj: Object) -> None:
    """Refuses (400) what cannot be decoded as the built-in kind that it should be."""
    schema = None if call.kind.custom else _schema(call.kind)
    if schema is not None and (detail := wrong_type(schema, obj)):
        raise unfit(call, f"json: cannot unmarshal {detail}")


def _schema(kind: ResourceType) -> Mapping[str, Any] | None:
    return kind.schema if kind.custom else structural(kind.group, kind.kind)


def check_applied_fields(call: Call, config: Object) -> None:
    """Refuses an apply of fields that the kind does not have or that are of another type: they have no owners."""
    if detail := misfit(call.kind, config):
        raise unfit(call, detail)


def misfit(kind: ResourceType, obj: Object) -> str:
    """Why the fields of `obj` can have no owners as fields of `kind`: the first that is unknown or of another type."""
    schema = _schema(kind)
    if schema is None:
        return ""
    for text in unknown_fields(schema, obj):
        path = text.removeprefix('unknown field "').removesuffix('"')
        return f".{path}: field not declared in schema"
    detail = wrong_type(schema, obj)
    return f"not of the type of its schema: {detail}" if detail else ""


def admitted(call: Call, obj: Object, old: Object | None, known: tuple[Cause, ...] = ()) -> Object:
    """`obj` pruned, defaulted and checked, in the version of the call; `old` is what it replaces, in that version.

    `known` is what is wrong already.

    Raises `Refused` (422) with every cause.
    """
    kind = call.kind
    if kind.custom:
        return _admitted_custom(call, obj, old, known)
    obj = filled_in(kind.storage, _without_unknown(call, obj, old))
    before = to_storage(kind, old) if old is not None else None
    causes = [*known, *meta_problems(obj), *kind_problems(kind, to_storage(kind, obj), before)]
    if kind is CRDS:
        causes += definition_problems(obj)
    _refuse(call, obj, causes)
    return obj


def _without_unknown(call: Call, obj: Object, old: Object | None) -> Object:
    """A built-in object with the fields that its kind has; those that are as in `old` are known to be right."""
    schema = _schema(call.kind)
    if schema is None:
        return obj
    changed = _changed(obj, old)
    fresh = prune(schema, {name: value for name, value in obj.items() if name in changed})
    if "spec" in fresh and call.kind is not CRDS:
        fresh["spec"] = _without_nulls(fresh["spec"])
    if detail := wrong_type(schema, fresh):
        raise unfit(call, f"json: cannot unmarshal {detail}")
    return {name: fresh.get(name, value) for name, value in obj.items() if name in fresh or name not in changed}


def _without_nulls(value: Any) -> Any:
    """To a typed object, null is absent."""
    if isinstance(value, dict):
        return {name: _without_nulls(below) for name, below in value.items() if below is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _refuse(call: Call, obj: Object, causes: list[Cause]) -> None:
    if causes:
        raise invalid(call.kind, meta(obj).get("name", ""), causes)


def _admitted_custom(call: Call, obj: Object, old: Object | None, known: tuple[Cause, ...]) -> Object:
    """Top-level fields that stay as they are were admitted once and are not judged again.

    A real server ratchets in the same way. Source: Kubernetes, "Validation ratcheting" of custom resources.
    """
    if call.kind.schema is None:
        _refuse(call, obj, [*known, *meta_problems(obj)])
        return obj
    changed = _changed(obj, old)
    schema = _narrowed(call.kind, changed if old is not None else None)
    fresh = {name: value for name, value in obj.items() if name in changed or name in _TYPE_FIELDS}
    left = {name: value for name, value in obj.items() if name not in fresh}
    obj = {**left, **default(schema, prune(schema, fresh))}
    causes = [*known, *(meta_problems(obj) if "metadata" in changed else ())]
    found = validate(schema, obj, old=old) if old is not None else validate(schema, obj)
    _refuse(call, obj, causes + found + rules.violations(schema, obj, old, registry=_RULES, found=found))
    return obj


def _narrowed(kind: ResourceType, changed: frozenset[str] | None) -> Mapping[str, Any]:
    """The schema of an object of which only some fields are looked at; its own rules stay."""
    schema = kind.schema or {}
    if changed is None:
        return schema
    narrowed = kind.narrowed.get(changed)
    if narrowed is None:
        properties = schema.get("properties") or {}
        kept = {name: below for name, below in properties.items() if name in changed}
        narrowed = kind.narrowed[changed] = {**schema, "properties": kept}
    return narrowed
