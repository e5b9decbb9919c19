"""The refusals of the API server: Status objects as the real one words them.

Source: Kubernetes API conventions, "Response Status Kind"; the messages follow k8s.io/apimachinery, package errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from canary.kube.transport import Response
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.schema import Cause

JSON = {"content-type": "application/json"}


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = headers or {}

    def status(self) -> dict[str, Any]:
        """The Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details:
            status["details"] = dict(self.details)
        status["code"] = self.code
        return status

    def response(self) -> Response:
        return Response(self.code, msgspec.json.encode(self.status()), {**JSON, **self.headers})


def _details(kind: ResourceType, name: str, word: str = "") -> dict[str, Any]:
    details = {"name": name, "group": kind.group, "kind": word or kind.plural}
    return {key: value for key, value in details.items() if value}


def not_found(kind: ResourceType, name: str) -> Refused:
    return Refused(404, "NotFound", f'{kind.qualified} "{name}" not found', _details(kind, name))


def unknown_path() -> Response:
    """What the real server says of a path, group or resource that it does not serve."""
    return Response(404, b"404 page not found\n", {"content-type": "text/plain; charset=utf-8"})


def unknown_resource() -> Refused:
    """404 for a part of a resource that the server does not serve."""
    return Refused(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(kind: ResourceType, name: str) -> Refused:
    return Refused(409, "AlreadyExists", f'{kind.qualified} "{name}" already exists', _details(kind, name))


STALE = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(kind: ResourceType, name: str, why: str = STALE) -> Refused:
    message = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}'
    return Refused(409, "Conflict", message, _details(kind, name))


def apply_conflict(message: str, causes: Iterable[Cause]) -> Refused:
    """Fields of a server-side apply that other managers own."""
    return Refused(409, "Conflict", message, {"causes": _causes(causes)})


def _causes(causes: Iterable[Cause]) -> list[dict[str, str]]:
    return [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]


def invalid(kind: ResourceType, name: str, causes: Iterable[Cause]) -> Refused:
    """422 with each cause; several are joined in brackets as the real server does."""
    causes = list(causes)
    whole = [str(cause) for cause in causes]
    text = whole[0] if len(whole) == 1 else f"[{', '.join(whole)}]"
    word = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    details = {**_details(kind, name, kind.kind), "causes": _causes(causes)}
    return Refused(422, "Invalid", f'{word} "{name}" is invalid: {text}', details)


def invalid_options(word: str, causes: Iterable[Cause]) -> Refused:
    """422 about the parameters of a request; `word` is the kind of its options, such as `PatchOptions`."""
    causes = list(causes)
    whole = [str(cause) for cause in causes]
    text = whole[0] if len(whole) == 1 else f"[{', '.join(whole)}]"
    details = {"group": "meta.k8s.io", "kind": word, "causes": _causes(causes)}
    return Refused(422, "Invalid", f'{word}.meta.k8s.io "" is invalid: {text}', details)


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message)


def not_handled(kind: ResourceType, detail: str) -> Refused:
    """400: the body of the request is no object of the kind."""
    message = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {detail}'
    return bad_request(message)


def invalid_patch(detail: str) -> Refused:
    """422: what the patch would make is no object of the kind."""
    cause = Cause("patch", "FieldValueInvalid", f"Invalid value: {detail}")
    return Refused(422, "Invalid", f' "" is invalid: {cause}', {"causes": _causes([cause])})


def forbidden(kind: ResourceType, name: str, why: str, causes: Iterable[Cause] = ()) -> Refused:
    details = _details(kind, name)
    listed = _causes(causes)
    if listed:
        details["causes"] = listed
    return Refused(403, "Forbidden", f'{kind.qualified} "{name}" is forbidden: {why}', details)


def method_not_allowed() -> Refused:
    return Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def expired(message: str) -> Refused:
    """410: a resourceVersion or a continue token is older than the history that is kept."""
    return Refused(410, "Expired", message)


def too_large_version(asked: int, current: int) -> Refused:
    """504: the resourceVersion asked for does not exist yet."""
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    message = f"Too large resource version: {asked}, current: {current}"
    return Refused(504, "Timeout", message, details, {"retry-after": "1"})


def unsupported_media_type(given: str, supported: Iterable[str]) -> Refused:
    message = (
        "the body of the request was in an unknown format - accepted media types include: " + ", ".join(supported)
        if given
        else "the body of the request has no content type"
    )
    return Refused(415, "UnsupportedMediaType", message)


def not_acceptable(supported: Iterable[str]) -> Refused:
    message = "only the following media types are accepted: " + ", ".join(supported)
    return Refused(406, "NotAcceptable", message)


def unauthorized() -> Refused:
    return Refused(401, "Unauthorized", "Unauthorized")
