"""Plots as inline SVG: lines over two axes, no script, no colour that is not a class of the page's style sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil

WIDTH, HEIGHT = 720.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 12.0, 12.0, 34.0
_STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A named line through `points`, which ascend in their first number, seconds; the second is percent, 0 to 100."""

    name: str
    points: Sequence[Point]


def plot(title: str, lines: Sequence[Line], words: Callable[[float], str]) -> str:
    """Lines of percents over seconds, with a legend; `words` writes a number of seconds."""
    until = max((x for line in lines for x, _ in line.points), default=0.0) or 1.0
    return "".join((
        f'<figure><figcaption>{escape(title)}</figcaption>',
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(title, quote=True)}">',
        *_axes(until, words),
        *(_path(line, number, until) for number, line in enumerate(lines)),
        "</svg><ul class=legend>",
        *(f'<li class="k{number % 8}">{escape(line.name)}</li>' for number, line in enumerate(lines)),
        "</ul></figure>",
    ))  # fmt: skip


def _axes(until: float, words: Callable[[float], str]) -> Iterator[str]:
    for share in (0, 25, 50, 75, 100):
        y = _y(share)
        yield f'<path class=grid d="M{_LEFT:g} {y:.1f}H{WIDTH - _RIGHT:g}"/>'
        yield f'<text x="{_LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{share}%</text>'
    step = next((step for step in _STEPS if until / step <= 8), ceil(until / 8))
    for number in range(int(until // step) + 1):
        x = _x(number * step, until)
        yield f'<text x="{x:.1f}" y="{HEIGHT - 12:g}" text-anchor="middle">{escape(words(number * step))}</text>'


def _path(line: Line, number: int, until: float) -> str:
    points = [f"{_x(x, until):.1f} {_y(y):.1f}" for x, y in line.points]
    return f'<path class="line k{number % 8}" d="M{"L".join(points)}"/>' if points else ""


def _x(seconds: float, until: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * seconds / until


def _y(share: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share / 100.0


def stairs(points: Sequence[Point]) -> list[Point]:
    """The same points, each value held until the next."""
    found: list[Point] = []
    for x, y in points:
        if found:
            found.append((x, found[-1][1]))
        found.append((x, y))
    return found


def cumulative(ordered: Sequence[float], total: int, most: int = 200) -> list[Point]:
    """Which share, in percent of `total`, has come to pass by when; at most so many points of ascending times."""
    if not ordered:
        return []
    stride = max(1, len(ordered) // most)
    kept = sorted({*range(0, len(ordered), stride), len(ordered) - 1})
    return stairs([(0.0, 0.0), *((ordered[index], 100.0 * (index + 1) / total) for index in kept)])
