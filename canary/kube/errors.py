"""What can go wrong with a Kubernetes API call, by what the caller may do about it.

    KubeError
    ├── Unreachable          nothing was executed: connecting failed
    ├── Ambiguous            a write may or may not have been executed: settle it by reading
    └── ApiError             the server answered with a Status
        ├── BadRequest 400 · Unauthorized 401 · Forbidden 403 · NotFound 404 · MethodNotAllowed 405
        ├── Conflict 409     (AlreadyExists is one)
        ├── Gone 410         a resourceVersion is too old: list again
        ├── TooLarge 413 · Unsupported 415 · Invalid 422
        ├── Throttled 429
        └── ServerError 5xx

Source of the codes and reasons: Kubernetes API conventions, "HTTP Status codes".
"""

from __future__ import annotations

from typing import Any

import msgspec


class KubeError(Exception):
    """The root of every error that the client raises."""


class Unreachable(KubeError):
    """The request did not reach the server; it is safe to send it again."""


class Ambiguous(KubeError):
    """The connection broke or timed out after the request was sent: it may have been executed."""


class ApiError(KubeError):
    """The server answered with an error.

    `code` is the HTTP status, `reason` the machine-readable word of the Status object (empty when the body was none),
    `retry_after` the seconds of a Retry-After header or `None`.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code} {reason}: {message}" if reason else f"{code}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.retry_after = retry_after


class BadRequest(ApiError): ...


class Unauthorized(ApiError): ...


class Forbidden(ApiError): ...


class NotFound(ApiError):
    @property
    def names_object(self) -> bool:
        """Whether this one object is not there; otherwise the server, or something before it, lacks the whole path.

        For an object that is gone the API server names it in the details of its Status.
        """
        return bool(self.details.get("name"))


class MethodNotAllowed(ApiError): ...


class Conflict(ApiError): ...


class AlreadyExists(Conflict): ...


class Gone(ApiError): ...


class TooLarge(ApiError): ...


class Unsupported(ApiError): ...


class Invalid(ApiError): ...


class Throttled(ApiError): ...


class ServerError(ApiError): ...


_BY_CODE: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    415: Unsupported,
    422: Invalid,
    429: Throttled,
}


class _Status(msgspec.Struct):
    reason: str | None = None
    message: str | None = None
    details: dict[str, Any] | None = None


def error_for(code: int, body: bytes, retry_after: float | None = None) -> ApiError:
    """The typed error for an HTTP answer with `code` >= 400; `body` may be a Status object, text or garbage."""
    try:
        status = msgspec.json.decode(body, type=_Status)
    except msgspec.MsgspecError:
        status = _Status()
    if not status.message:
        status.message = body[:512].decode("utf-8", "replace").strip()
    kind = _BY_CODE.get(code, ServerError if code >= 500 else ApiError)
    if code == 409 and status.reason == "AlreadyExists":
        kind = AlreadyExists
    return kind(code, status.reason or "", status.message or "", details=status.details, retry_after=retry_after)
