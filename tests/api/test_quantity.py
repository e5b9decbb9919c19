"""Kubernetes quantities mean the same here as in the API machinery."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from canary.api.quantity import parse_quantity

# Texts and values as k8s.io/apimachinery v0.36, resource.ParseQuantity, gives them.
GOLDEN = {
    "0": "0",
    "0n": "0",
    "-0": "0",
    "1": "1",
    "+1": "1",
    "-1": "-1",
    "00012": "12",
    "5.": "5",
    ".5": "0.5",
    "500m": "0.5",
    "-500m": "-0.5",
    "1500m": "1.5",
    "100u": "0.0001",
    "1n": "0.000000001",
    "0.1m": "0.0001",
    "1.005": "1.005",
    "1k": "1000",
    "100M": "100000000",
    "2G": "2000000000",
    "1T": "1000000000000",
    "1P": "1000000000000000",
    "1E": "1000000000000000000",
    "1Ki": "1024",
    "1.5Ki": "1536",
    "12Mi": "12582912",
    "1Gi": "1073741824",
    "1Ti": "1099511627776",
    "1Pi": "1125899906842624",
    "1Ei": "1152921504606846976",
    "1e3": "1000",
    "1E3": "1000",
    "12E6": "12000000",
    "1e-2": "0.01",
    "1e+3": "1000",
    "-1.5e2": "-150",
    "0.0000000001": "0.000000001",
    "-0.0000000001": "-0.000000001",
    "123456789.123456789": "123456789.123456789",
    "9223372036854775807": "9223372036854775807",
}


@pytest.mark.parametrize(("text", "value"), GOLDEN.items())
def test_a_text_means_what_the_api_machinery_says(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    ("number", "value"), [(0, "0"), (1, "1"), (-3, "-3"), (0.5, "0.5"), (1e3, "1000"), (33.3, "33.3")]
)
def test_a_bare_number_means_itself(number: float, value: str) -> None:
    assert parse_quantity(number) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " 1",
        "1 ",
        "1\n",
        "--1",
        "1K",
        "1ki",
        "1mi",
        "1KI",
        "1B",
        "1e",
        "e3",
        "1e1.5",
        "1e3Ki",
        "1.2.3",
        ".",
        "m",
        "one",
        "0x10",
        "1_0",
        "١",
        "NaN",
        "inf",
        "1,5",
        "50%",
        "1" * 65,
    ],
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a quantity"):
        parse_quantity(text)


@pytest.mark.parametrize("value", [True, None, [], {}, float("nan"), float("inf")])
def test_what_is_no_text_and_no_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be a quantity"):
        parse_quantity(value)  # type: ignore[arg-type]  # what JSON can hold beside text and numbers


@pytest.mark.parametrize("text", ["1e30", "9223372036854775808", "8Ei", "1e999999999999999999"])
def test_nothing_exceeds_63_bits(text: str) -> None:
    assert parse_quantity(text) == 2**63 - 1
    assert parse_quantity(f"-{text}") == -(2**63 - 1)


def test_a_tiny_quantity_is_rounded_away_from_zero() -> None:
    assert parse_quantity("1e-999999999999999999") == Decimal("1e-9")


@given(st.integers(-(10**12), 10**12))
def test_a_thousandth_of_a_thousandfold_is_the_number(number: int) -> None:
    assert parse_quantity(f"{number * 1000}m") == number == parse_quantity(number)


@given(st.decimals(-(10**6), 10**6, places=3))
def test_a_decimal_text_is_exact(number: Decimal) -> None:
    assert parse_quantity(str(number)) == number


@given(st.floats(-1e6, 1e6, allow_subnormal=False))
@example(1e-7)
def test_a_float_means_its_shortest_text(number: float) -> None:
    assert abs(parse_quantity(number) - Decimal(repr(number))) <= Decimal("1e-9")


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    # Any error but ValueError fails the test.
    with suppress(ValueError):
        assert parse_quantity(text).is_finite()
