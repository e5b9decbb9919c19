"""Numbers of pods that may also be written as a percentage.

Source: k8s.io/kubernetes, package apps/validation, `ValidatePositiveIntOrPercent` and `IsNotMoreThan100Percent`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from canary.sandbox.apiserver.schema import Cause, causes

_PERCENT = re.compile(r"[0-9]+%")
_RULE = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)


def share_problems(value: Any, path: str, *, at_most_all: bool = False) -> Iterator[Cause]:
    if isinstance(value, str):
        if not _PERCENT.fullmatch(value):
            yield causes.invalid(path, value, _RULE)
        elif at_most_all and int(value[:-1]) > 100:
            yield causes.invalid(path, value, "must not be greater than 100%")
    elif isinstance(value, int) and value < 0:
        yield causes.invalid(path, value, "must be greater than or equal to 0")


def is_nothing(value: Any) -> bool:
    """Zero, or zero percent."""
    return value == 0 or (isinstance(value, str) and bool(_PERCENT.fullmatch(value)) and int(value[:-1]) == 0)
