"""Kubernetes quantities: `500m`, `1`, `0.5`, `1e3`, `1Ki`, in which some versions of a TrafficSplit give weights.

Source: Kubernetes, API machinery, package resource, type Quantity: grammar, rounding and cap.
"""

from __future__ import annotations

import re
from decimal import ROUND_UP, Context, Decimal

_GRAMMAR = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:[eE](?P<exponent>[+-]?[0-9]{1,18})|(?P<suffix>[A-Za-z]{0,2}))"
)
_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_MAX_TEXT = 64
_NANO = Decimal("1e-9")
_CAP = Decimal(2**63 - 1)
# Wide enough for every text of at most 64 characters times 2^60: nothing is rounded but where the source says so.
_EXACT = Context(prec=256, rounding=ROUND_UP)


def parse_quantity(value: str | int | float) -> Decimal:
    """The number that a quantity means, as JSON gives it: text, or a bare number.

    As in Kubernetes, what is finer than a billionth is rounded away from zero, and nothing exceeds 2^63 - 1 on either
    side. Raises `ValueError` for what is no quantity, NaN and infinities included.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"must be a quantity such as 1, 500m or 1Ki, not {type(value).__name__}")
    text = value if isinstance(value, str) else repr(value)
    found = _GRAMMAR.fullmatch(text) if len(text) <= _MAX_TEXT else None
    scale = _scale(found) if found else None
    if found is None or scale is None:
        raise ValueError(f"must be a quantity such as 1, 500m or 1Ki, not {text[:_MAX_TEXT]!r}")
    number = _EXACT.multiply(Decimal(found["number"]), scale)
    if abs(number) > _CAP:
        return _CAP.copy_sign(number)
    return _EXACT.quantize(number, _NANO).normalize(_EXACT) if number else Decimal(0)


def quantity(value: float) -> str:
    """A finite number as a quantity with at most three decimals: `12`, or `12345m`."""
    thousandths = round(value * 1000.0)
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"


def _scale(found: re.Match[str]) -> Decimal | None:
    if found["exponent"] is None:
        return _SUFFIXES.get(found["suffix"])
    # Far beyond both the cap and a billionth, so that it changes no answer, and no number gets a million digits.
    exponent = max(-200, min(200, int(found["exponent"])))
    return Decimal((0, (1,), exponent))
