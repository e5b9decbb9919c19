"""What every part of a spec is made of."""

from __future__ import annotations

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A part of the spec. Unknown fields are refused, as strict clients of the API server refuse them."""


__all__ = ["Model"]
