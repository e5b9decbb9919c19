"""Answers that are no numbers: Status objects, whose codes and reasons clients of Kubernetes know.

Source: Kubernetes API conventions, "Response Status Kind".
"""

from __future__ import annotations

from typing import Any

from canary.smi_metrics.kinds import GROUP

RETRY_AFTER = 1
"""Seconds after which a client may ask again when Prometheus did not answer."""

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class Refusal(Exception):
    """Ends a request with a Status of `code`; the message is a sentence for people, without a full stop."""

    def __init__(self, code: int, message: str, *, kind: str = "", name: str = "", retry_after: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.kind = kind
        self.name = name
        self.retry_after = retry_after

    def status(self) -> dict[str, Any]:
        """The Status object; `details` name the resource in question where there is one."""
        details: dict[str, Any] = {}
        if self.kind:
            details |= {"group": GROUP, "kind": self.kind} | ({"name": self.name} if self.name else {})
        if self.retry_after:
            details["retryAfterSeconds"] = self.retry_after
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": _REASONS.get(self.code, "InternalError"),
            **({"details": details} if details else {}),
            "code": self.code,
        }


def unavailable(message: str) -> Refusal:
    """What the answer depends on does not answer itself; later it may."""
    return Refusal(503, message, retry_after=RETRY_AFTER)
