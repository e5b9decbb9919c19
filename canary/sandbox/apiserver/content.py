"""Bodies: which media types come in, and in which form objects go out.

Source: Kubernetes API concepts, "Resource representations", "Receiving resources as Tables".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec
import yaml

from canary.kube.clock import Clock
from canary.kube.transport import Response
from canary.sandbox.apiserver.objects import Object
from canary.sandbox.apiserver.request import Request
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.status import JSON, Refused, bad_request, not_acceptable, unsupported_media_type
from canary.sandbox.apiserver.table import columns_for, render

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_JSON, _YAML = "application/json", "application/yaml"
_LIMIT = 3 * 1024 * 1024

encode = msgspec.json.encode


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def decode_object(request: Request) -> Object:
    """The object in the body of a POST or PUT. Raises `Refused`: 400, 413 or 415."""
    given = media_type(request)
    if given not in ("", _JSON, _YAML):
        raise unsupported_media_type(given, (_JSON, _YAML))
    return _object(decode(request, as_yaml=given == _YAML))


def decode(request: Request, *, as_yaml: bool = False) -> Any:
    """The body, whatever it is. Raises `Refused`: 400 or 413."""
    if len(request.body) > _LIMIT:
        raise Refused(413, "RequestEntityTooLarge", f"Request entity too large: limit is {_LIMIT}")
    try:
        return yaml.safe_load(request.body) if as_yaml and not _looks_json(request.body) else _json(request.body)
    except (msgspec.DecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise bad_request(f"error decoding the body of the request: {error}") from None


def _looks_json(body: bytes) -> bool:
    return body.lstrip()[:1] in (b"{", b"[")


def _json(body: bytes) -> Any:
    return msgspec.json.decode(body)


def _object(value: Any) -> Object:
    if not isinstance(value, dict):
        raise bad_request("the body of the request must be an object")
    return value


def decode_apply(request: Request) -> Object:
    """The configuration of a server-side apply: YAML, hence JSON too."""
    return _object(decode(request, as_yaml=True))


class Form(Enum):
    """In which form a client wants objects."""

    FULL = "full"
    METADATA = "PartialObjectMetadata"
    TABLE = "Table"


@dataclass(frozen=True, slots=True)
class View:
    """The form, and what a Table carries of each object: Metadata, Object or None. Ages are told by `clock`."""

    clock: Clock
    form: Form = Form.FULL
    include_object: str = "Metadata"


def negotiated(request: Request, clock: Clock) -> View:
    """The first form in Accept that the server has. Raises `Refused` (406) when there is none."""
    accept = request.headers.get("accept", "")
    for clause in accept.split(",") if accept else [_JSON]:
        media, *parameters = (part.strip() for part in clause.split(";"))
        if media not in (_JSON, "*/*", "application/*"):
            continue
        wanted = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
        word = wanted.get("as", "").removesuffix("List")
        if not word:
            return View(clock)
        if word in (Form.TABLE.value, Form.METADATA.value) and wanted.get("g") == "meta.k8s.io":
            return View(clock, Form(word), request.query.get("includeObject") or "Metadata")
    raise not_acceptable((_JSON, _YAML))


def partial(obj: Object) -> Object:
    """Only the metadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj.get("metadata", {}),
    }


def table(kind: ResourceType, objects: list[Object], view: View, metadata: Object, *, headers: bool = True) -> Object:
    """A Table; `headers` names the columns."""
    return render(
        columns_for(kind),
        objects,
        now=view.clock.now(),
        metadata=metadata,
        include=view.include_object,
        headers=headers,
    )


def one(kind: ResourceType, obj: Object, view: View) -> Object:
    """One object in the form that is wanted."""
    if view.form is Form.METADATA:
        return partial(obj)
    if view.form is Form.TABLE:
        return table(kind, [obj], view, {"resourceVersion": obj.get("metadata", {}).get("resourceVersion", "")})
    return obj


def many(kind: ResourceType, objects: list[Object], metadata: Object, view: View) -> Object:
    """A list in the form that is wanted."""
    if view.form is Form.TABLE:
        return table(kind, objects, view, metadata)
    if view.form is Form.METADATA:
        items = [partial(obj) for obj in objects]
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "items": items,
        }
    if not kind.custom:
        objects = [{key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} for obj in objects]
    return {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": metadata, "items": objects}


def answer(status: int, body: Object, warnings: Sequence[str] = ()) -> Response:
    """JSON, with warnings as the header that kubectl prints."""
    return Response(status, encode(body), {**JSON, **_warning(warnings)})


@contextmanager
def warning(warnings: Sequence[str]) -> Iterator[None]:
    """A refusal that is raised inside carries the warnings, too."""
    try:
        yield
    except Refused as refusal:
        refusal.headers = {**refusal.headers, **_warning(warnings)}
        raise


def _warning(warnings: Sequence[str]) -> dict[str, str]:
    return {"warning": ", ".join(f'299 - "{_escaped(text)}"' for text in warnings)} if warnings else {}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
