"""What an error of the API means for the person at the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from canary.cli.exits import Exit, Failure
from canary.kube.errors import Ambiguous, ApiError, Forbidden, KubeError, NotFound, Unauthorized, Unreachable


@contextmanager
def failures(what: str = "") -> Iterator[None]:
    """A block in which API errors become `Failure`s; `what` names the object that was asked for."""
    try:
        yield
    except KubeError as error:
        raise failure_for(error, what) from error


def failure_for(error: KubeError, what: str = "") -> Failure:
    """The failure that an API error means for a person; `what` names the object that was asked for."""
    match error:
        case NotFound(details={"name": str()}) if what:
            return Failure(f"{what} does not exist", Exit.NOT_FOUND)
        case NotFound():
            return Failure(
                "the API server does not know canaries.canary.delivery; install them with: "
                "canary crd | kubectl apply --server-side -f -"
            )
        case Forbidden():
            return Failure(f"not allowed: {error.message}", Exit.FORBIDDEN)
        case Unauthorized():
            return Failure("the API server does not accept these credentials; log in again, or check --context")
        case ApiError():
            return Failure(f"the API server answered {error}")
        case Unreachable():
            return Failure(f"the API server cannot be reached: {error}")
        case Ambiguous():
            return Failure(f"the API server did not answer properly: {error}")
    return Failure(str(error))
