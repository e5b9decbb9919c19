"""Amounts of cpu and memory as the API server prints them: whatever way they were written, one text for one amount.

Source: k8s.io/apimachinery, package resource, `Quantity.CanonicalizeBytes`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from canary.api.quantity import parse_quantity

_DECIMAL = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_EXPONENT = re.compile(r"[eE][+-]?\d+$")


def is_quantity(value: Any) -> bool:
    try:
        parse_quantity(value)
    except ValueError:
        return False
    return True


def canonical(value: str | int | float) -> str:
    """No fraction, and the largest suffix with which there is none: `0.5` is `500m`, `1024Mi` is `1Gi`.

    Raises `ValueError` for what is no quantity.
    """
    amount, text = parse_quantity(value), str(value)
    if not amount:
        return "0"
    if text.endswith("i") and abs(amount) >= 1024 and amount == amount.to_integral_value():
        return _with_suffix(amount, Decimal(1), 1024, _BINARY)
    if _EXPONENT.search(text):
        return _with_exponent(amount)
    return _with_suffix(amount, Decimal("1e-9"), 1000, _DECIMAL)


def _with_suffix(amount: Decimal, least: Decimal, base: int, suffixes: tuple[str, ...]) -> str:
    number, at = int(amount / least), 0
    while at + 1 < len(suffixes) and number % base == 0:
        number, at = number // base, at + 1
    return f"{number}{suffixes[at]}"


def _with_exponent(amount: Decimal) -> str:
    number, exponent = int(amount / Decimal("1e-9")), -9
    while number % 1000 == 0:
        number, exponent = number // 1000, exponent + 3
    return f"{number}e{exponent}" if exponent else str(number)
