"""What a benchmark found: one row for each number, with its target where there is one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One number. `target` is in words and empty where there is none; `met` is `None` then.

    `name` is `scenario/number` and stays the same over versions, `what` says it to people.
    """

    name: str
    what: str
    value: float
    unit: str = ""
    target: str = ""
    met: bool | None = None


def shown(name: str, what: str, value: float, unit: str = "") -> Row:
    """A number without a target."""
    return Row(name, what, value, unit)


def exactly(name: str, what: str, value: float, wanted: float, unit: str = "") -> Row:
    return Row(name, what, value, unit, f"= {wanted:g}", value == wanted)


def at_most(name: str, what: str, value: float, limit: float, unit: str = "") -> Row:
    return Row(name, what, value, unit, f"≤ {limit:g}", value <= limit)


def below(name: str, what: str, value: float, limit: float, unit: str = "") -> Row:
    return Row(name, what, value, unit, f"< {limit:g}", value < limit)


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that is not below `share` (0 to 1) of all of them; NaN without any."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text."""
    cells = [("NAME", "WHAT", "VALUE", "UNIT", "TARGET", "MET")]
    cells += [(r.name, r.what, number(r.value), r.unit, r.target, _word(r.met)) for r in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(6)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if column == 2 else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def number(value: float) -> str:
    """Three significant digits, whole numbers in full."""
    if math.isnan(value):
        return "none"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"


def document(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for a JSON file, where a number that is not there is null."""
    return [asdict(row) | {"value": None if math.isnan(row.value) else row.value} for row in rows]


def _word(met: bool | None) -> str:
    return "" if met is None else "yes" if met else "NO"
