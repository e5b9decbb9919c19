"""Reads a Canary's spec, or says everything that is wrong with it.

The controller trusts no API server to have checked: the definition there may be older or looser than this program, or
the object older than the definition. So the same schema, defaults and rules are applied again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from canary.api.canary import Canary, CanarySpec
from canary.api.crd import schema
from canary.api.schema import FieldError, check, with_defaults


class InvalidSpec(ValueError):
    """The spec cannot be carried out; `errors` names each field and what is allowed there."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors


def load_spec(canary: Canary) -> CanarySpec:
    """The spec with defaults filled in. Raises `InvalidSpec` with all errors."""
    try:
        value = msgspec.json.decode(canary.spec)
    except msgspec.MsgspecError as error:
        raise InvalidSpec((FieldError("spec", f"must be JSON: {error}"),)) from error
    filled = defaulted(value)
    errors = tuple(check(_spec_schema(), filled, "spec"))
    if errors:
        raise InvalidSpec(errors)
    return msgspec.convert(filled, CanarySpec)


def validate(spec: Any) -> tuple[FieldError, ...]:
    """Every error in `spec`, a plain JSON value that need not have met an API server; empty when there is none."""
    return tuple(check(_spec_schema(), defaulted(spec), "spec"))


def defaulted(spec: Any) -> Any:
    """`spec`, a plain JSON value, as an API server would show it: with every default."""
    return with_defaults(_spec_schema(), spec)


def _spec_schema() -> dict[str, Any]:
    found: dict[str, Any] = schema()["properties"]["spec"]
    return found


__all__ = ["FieldError", "InvalidSpec", "defaulted", "load_spec", "validate"]
