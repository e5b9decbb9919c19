"""Objects to bytes and back, with one decoder per type for the life of the process."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

from canary.kube.errors import Ambiguous

T = TypeVar("T")


class Undecodable(Ambiguous):
    """The server answered with success, but not with the object that was asked for.

    Whatever the request did is done; a proxy that answers in place of the API server is the usual cause.
    """


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    """`body` as a `kind`. Raises `Undecodable`."""
    key: Any = kind
    try:
        result: T = _decoder(key).decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"the answer is no {getattr(kind, '__name__', kind)}: {error}") from error
    return result


def encode(obj: Any) -> bytes:
    """`obj` as JSON; bytes are taken to be JSON already."""
    return obj if isinstance(obj, bytes) else msgspec.json.encode(obj)
