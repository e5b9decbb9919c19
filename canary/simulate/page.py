"""A campaign as one HTML page that needs nothing else: tables, plots, light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from canary.simulate.plots import Line, Point, cumulative, plot, stairs
from canary.simulate.report import LEGEND, Report, plan_words, row, seconds, traffic_words
from canary.simulate.tally import Tally

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2024;--dim:#60646c;--line:#d9dce1;--back:#fff;--k0:#1769c2;--k1:#c2410c;
--k2:#15803d;--k3:#7e22ce;--k4:#b8860b;--k5:#be185d;--k6:#0e7490;--k7:#57534e}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--dim:#a0a5ad;--line:#3a3f46;--back:#16181b;--k0:#6cb2ff;
--k1:#ff9a62;--k2:#5fd38a;--k3:#cf9bff;--k4:#e6c35c;--k5:#ff8abd;--k6:#63d4e8;--k7:#b5aea8}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:56rem;margin:2rem auto;
padding:0 1rem}p,figcaption{color:var(--dim)}table{border-collapse:collapse;width:100%}
td,th{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--line)}td:first-child,th:first-child{
text-align:left}th{font-weight:600}figure{margin:1.5rem 0}svg{width:100%;height:auto}svg text{fill:var(--dim);
font-size:11px}.grid{stroke:var(--line);fill:none}.line{fill:none;stroke-width:2}.legend{list-style:none;padding:0;
display:flex;flex-wrap:wrap;gap:.3rem 1.2rem}.legend li::before{content:"";display:inline-block;width:.9rem;height:3px;
margin-right:.4rem;vertical-align:middle;background:currentColor}
"""
_COLOURS = "".join(
    f".line.k{number}{{stroke:var(--k{number})}}.legend .k{number}{{color:var(--k{number})}}" for number in range(8)
)
_HEADS = ("", "rolled back", "95% interval", "after", "p95", "failed", "takes")


def page(report: Report) -> str:
    """The whole page."""
    name = escape(report.name)
    return "\n".join((
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>canary simulate: {name}</title><style>{_STYLE}{_COLOURS}</style></head><body>",
        f"<h1>{name}: {report.rollouts:,} rollouts of each kind</h1>",
        f"<p>{escape(plan_words(report.plan))}</p>",
        f"<p>{escape(traffic_words(report.scenario.traffic))}; seed {report.seed}</p>",
        *_tables(report),
        f"<p>{escape(LEGEND)}</p>",
        *_plots(report),
        "</body></html>\n",
    ))  # fmt: skip


def _tables(report: Report) -> Iterator[str]:
    for player, tallies in report.by_player():
        heads = "".join(f"<th>{escape(head)}</th>" for head in (player.name, *_HEADS[1:]))
        rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row(tally))}</tr>" for tally in tallies)
        yield f"<h2>{escape(player.name)}</h2><p>{escape(player.rules.words)}</p>"
        yield f"<table><tr>{heads}</tr>{rows}</table>"


def _plots(report: Report) -> Iterator[str]:
    healthy = [tally for tally in report.tallies if tally.healthy]
    bad = [tally for tally in report.tallies if not tally.healthy]
    many = len(report.players) > 1
    yield _plot("Weight of a typical healthy rollout", [(tally.player, _weights(tally)) for tally in healthy])
    for what, alike in _groups(bad, many):
        lines = [(_name(tally, many), _weights(tally)) for tally in alike]
        yield _plot(f"Weight of a typical bad rollout{what}", lines)
    promoted = [(tally.player, cumulative(tally.promotions, tally.rollouts)) for tally in healthy]
    yield _plot("Healthy releases that are promoted, by time", promoted)
    for what, alike in _groups(bad, many):
        lines = [(_name(tally, many), cumulative(tally.delays, tally.rollouts)) for tally in alike]
        yield _plot(f"Regressions that are rolled back, by time from when they began{what}", lines)


def _plot(title: str, lines: Sequence[tuple[str, Sequence[Point]]]) -> str:
    return plot(title, [Line(name, points) for name, points in lines], seconds)


def _groups(tallies: list[Tally], many: bool) -> Iterator[tuple[str, list[Tally]]]:
    """What is shown in one plot: everything, or one kind of all players."""
    if not many:
        yield "", tallies
        return
    for kind in dict.fromkeys(tally.kind for tally in tallies):
        yield f" ({kind})", [tally for tally in tallies if tally.kind == kind]


def _weights(tally: Tally) -> list[Point]:
    return stairs([(0.0, 0.0), *((move.at, float(move.weight)) for move in tally.typical)])


def _name(tally: Tally, many: bool) -> str:
    return tally.player if many else tally.kind
