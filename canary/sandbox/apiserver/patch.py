"""JSON patch (RFC 6902), which does not change the object that is patched."""

from __future__ import annotations

from typing import Any

from canary.sandbox.apiserver.objects import Object, copied
from canary.sandbox.apiserver.status import Refused, bad_request


def json_patch(obj: Object, operations: Any) -> Object:
    """`obj` after `operations`. Raises `Refused`: 400 for what is no JSON patch, 422 for one that does not apply."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document = {"": copied(obj)}
    for operation in operations:
        if not isinstance(operation, dict):
            raise bad_request("json: cannot unmarshal value into Go value of type jsonpatch.Operation")
        _apply(document, operation)
    result = document[""]
    if not isinstance(result, dict):
        raise _failed()
    return result


def _failed() -> Refused:
    return Refused(422, "Invalid", "the server rejected our request due to an error in our request", {})


def _apply(document: Object, operation: Object) -> None:
    action, path = operation.get("op"), operation.get("path")
    if not isinstance(path, str) or action not in _ACTIONS:
        raise _failed()
    _ACTIONS[action](document, path, operation)


def _pointer(path: Any) -> list[str]:
    if not isinstance(path, str) or (path and not path.startswith("/")):
        raise _failed()
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]


def _index(container: list[Any], step: str, *, end: int) -> int:
    try:
        index = int(step)
    except ValueError:
        raise _failed() from None
    if index < 0:
        index += len(container)
    if not 0 <= index < end:
        raise _failed()
    return index


def _child(container: Any, step: str) -> Any:
    if isinstance(container, dict):
        if step not in container:
            raise _failed()
        return container[step]
    if isinstance(container, list):
        return container[_index(container, step, end=len(container))]
    raise _failed()


def _parent(document: Object, path: Any) -> tuple[Any, str]:
    steps = _pointer(path)
    container: Any = document
    for step in steps[:-1]:
        container = _child(container, step)
    return container, steps[-1]


def _get(document: Object, path: Any) -> Any:
    container, step = _parent(document, path)
    return _child(container, step)


def _insert(document: Object, path: Any, value: Any) -> None:
    container, step = _parent(document, path)
    if isinstance(container, list):
        index = len(container) if step == "-" else _index(container, step, end=len(container) + 1)
        container.insert(index, value)
    elif isinstance(container, dict):
        container[step] = value
    else:
        raise _failed()


def _delete(document: Object, path: Any) -> Any:
    container, step = _parent(document, path)
    value = _child(container, step)
    if isinstance(container, list):
        del container[_index(container, step, end=len(container))]
    else:
        del container[step]
    return value


def _add(document: Object, path: str, operation: Object) -> None:
    _insert(document, path, copied(operation.get("value")))


def _remove(document: Object, path: str, _: Object) -> None:
    _delete(document, path)


def _replace(document: Object, path: str, operation: Object) -> None:
    container, step = _parent(document, path)
    # The member of a map may be missing, as in the library of the real server; RFC 6902 would have it there.
    if isinstance(container, list):
        container[_index(container, step, end=len(container))] = copied(operation.get("value"))
    elif isinstance(container, dict):
        container[step] = copied(operation.get("value"))
    else:
        raise _failed()


def _move(document: Object, path: str, operation: Object) -> None:
    _insert(document, path, _delete(document, operation.get("from")))


def _copy(document: Object, path: str, operation: Object) -> None:
    _insert(document, path, copied(_get(document, operation.get("from"))))


def _test(document: Object, path: str, operation: Object) -> None:
    wanted = operation.get("value")
    try:
        found = _get(document, path)
    except Refused:
        # A test for null passes where there is nothing, as in the library of the real server.
        if wanted is None:
            return
        raise
    if found != wanted or isinstance(found, bool) is not isinstance(wanted, bool):
        raise _failed()


_ACTIONS = {"add": _add, "remove": _remove, "replace": _replace, "move": _move, "copy": _copy, "test": _test}
