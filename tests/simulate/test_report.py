"""The figures for a terminal, as JSON, and as a page that needs nothing else."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from canary.core.plan import Limit, Stage
from canary.simulate.campaign import campaign, cases_of, horizon_of, players_of
from canary.simulate.page import page
from canary.simulate.plots import Line, cumulative, plot, stairs
from canary.simulate.proportions import Interval
from canary.simulate.report import Report, between, document, glance, percent, plan_words
from canary.simulate.scenario import parse_scenario
from canary.simulate.tally import tally
from tests.simulate.rollouts import make_plan

PLAN = make_plan(
    (Stage(10, hold=60.0), Stage(approval="prod"), Stage(50, hold=90.0), Stage(100)),
    limits=(Limit("success-rate", 98.0), Limit("latency", 0.5, quantile="p99")),
)
FIELDS = {
    "errors": "1%", "drift": "20%", "outage": "1m", "retries": 2, "scattered": True, "bursts": 1, "onset": "2m",
    "regression": ["20%", "slow:3x"],
}  # fmt: skip


@pytest.fixture(scope="module")
def report() -> Report:
    scenario = parse_scenario(FIELDS)
    players = players_of(PLAN, ("flagger", "argo"))
    horizon = horizon_of(PLAN)
    cases = cases_of(PLAN, scenario, players, seed=1, horizon=horizon)
    tallies = tuple(tally(case, ended) for case, ended in campaign(cases, 8))
    return Report("a <shop> & more", PLAN, scenario, players, tallies, 8, 1, horizon)


def test_a_glance_fits_80_columns(report: Report) -> None:
    lines = [line for line, _ in glance(report)]
    assert max(map(len, lines)) < 80
    assert lines[0] == "a <shop> & more: 8 rollouts of each kind, seed 1"
    assert [line for line, heading in glance(report) if heading and "ROLLED BACK" in line]


def test_a_glance_has_a_row_for_each_kind_of_each_player(report: Report) -> None:
    text = "\n".join(line for line, _ in glance(report))
    for kind in ("healthy", "20% errors", "latency 3x"):
        assert len(re.findall(rf"^{kind} .*%", text, re.MULTILINE)) == 4
    for player in ("canary", "Flagger", "Flagger, quick", "Argo Rollouts"):
        assert len(re.findall(rf"^{player} +ROLLED BACK", text, re.MULTILINE)) == 1


def test_json_has_the_figures_of_every_kind(report: Report) -> None:
    found = json.loads(json.dumps(document(report)))
    assert [player["name"] for player in found["players"]] == ["canary", "Flagger", "Flagger, quick", "Argo Rollouts"]
    kinds = found["players"][0]["kinds"]
    assert [kind["name"] for kind in kinds] == ["healthy", "20% errors", "latency 3x"]
    assert kinds[0].keys() == {
        "name", "healthy", "rollouts", "rolledBack", "ends", "unfinished", "delaySeconds", "failedRequests",
        "promotedSeconds", "typical",
    }  # fmt: skip
    for kind in kinds:
        counted = kind["rolledBack"]
        assert counted["low"] <= counted["share"] <= counted["high"]
        assert sum(kind["ends"].values()) == kind["rollouts"] == 8


class Page(HTMLParser):
    """Every tag that is open at the end, and every address that is named."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [str(value) for name, value in attrs if name in ("href", "src", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def parsed(report: Report) -> Page:
    found = Page()
    found.feed(page(report))
    return found


def test_the_page_is_whole_and_asks_for_nothing(report: Report, parsed: Page) -> None:
    assert parsed.open == []
    assert parsed.addresses == []
    assert not {"script", "link", "img", "iframe"} & set(parsed.tags)
    assert not re.search(r"url\(|@import|https?:", page(report))


def test_the_page_shows_tables_and_plots(parsed: Page) -> None:
    assert parsed.tags.count("table") == 4
    # Weights and times, each of the healthy and of two kinds of bad rollouts.
    assert parsed.tags.count("svg") == 6
    assert "a <shop> & more: 8 rollouts of each kind" in parsed.text


def test_the_page_knows_light_and_dark(report: Report) -> None:
    assert "prefers-color-scheme:dark" in page(report)


def test_a_plot_of_nothing_is_empty() -> None:
    assert 'class="line' not in plot("nothing", [Line("none", [])], str)


def test_stairs_hold_each_value_until_the_next() -> None:
    assert stairs([(0.0, 0.0), (5.0, 10.0)]) == [(0.0, 0.0), (5.0, 0.0), (5.0, 10.0)]


def test_a_cumulative_line_ends_at_the_share_that_came_to_pass() -> None:
    assert cumulative([10.0, 20.0], 4)[-1] == (20.0, 50.0)
    assert len(cumulative([float(n) for n in range(5000)], 5000)) < 500


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0%"), (1.0, "100%"), (0.9999, "99.99%"), (0.99999, "99.99%"), (0.0005, "0.05%")]
)
def test_only_all_is_a_hundred_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(0.0, 0.001843, "0% - 0.19%"), (0.0000127, 0.0027, "0% - 0.27%"), (0.0966, 0.12541, "9.66% - 12.6%"),
     (0.998, 1.0, "99.8% - 100%")],
)  # fmt: skip
def test_an_interval_is_rounded_outwards(low: float, high: float, text: str) -> None:
    assert between(Interval(low, high)) == text


def test_the_plan_in_words_tells_how_a_limit_is_judged() -> None:
    limits = (Limit("errors", 99.0, tolerance=0.2, sequential=True), Limit("latency", 0.5, quantile="p99"))
    words = plan_words(make_plan((Stage(10, hold=60.0), Stage(100)), limits=limits))
    assert words == (
        "steps 10% for 1m -> 100%; windows of 10s; errors min 99% by evidence and no worse than stable, "
        "latency max 500ms"
    )
