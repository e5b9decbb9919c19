"""One byte form for equal JSON values, and digests of it.

Digests made here are stored in clusters, and a change of the form would look like a change of every workload: it
stays as it is for ever. The golden vectors of the tests hold it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """`value` with sorted keys and without spaces, in ASCII; a `null` in a map is as good as an absent key.

    A `null` in a list keeps its place. Numbers stay as they were decoded: `1` and `1.0` differ. Raises `ValueError` for
    numbers that JSON does not have.
    """
    text = json.dumps(without_nulls(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical form, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def without_nulls(value: Any) -> Any:
    """A copy of `value` whose maps, at any depth, hold no `null`."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(item) for item in value]
    return value
