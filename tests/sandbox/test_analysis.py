"""The modelled traffic is what it says, and the figures are told as they are."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections import Counter

import pytest

from canary.core.evidence import Counts, RateRatio
from canary.sandbox.analysis.kinds import kinds
from canary.sandbox.analysis.measure import Always, Kind, Row, Seldom, Shown, Soon, play, row
from canary.sandbox.analysis.page import lines, page, table
from canary.sandbox.analysis.traffic import Traffic
from canary.sandbox.analysis.trial import Threshold, Watched
from canary.simulate.clusters import BURST, Clusters
from canary.simulate.draws import geometric, poisson

DRAWS = 20_000


@pytest.mark.parametrize("mean", [0.05, 0.5, 9.9, 37.0, 9000.0])
def test_counts_follow_the_distribution(mean):
    rng = random.Random(1)
    found = Counter(poisson(rng, mean) for _ in range(DRAWS))
    distance, cells = 0.0, 0
    for count in range(max(0, int(mean - 3 * math.sqrt(mean))), int(mean + 3 * math.sqrt(mean)) + 1):
        expected = DRAWS * math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
        if expected > 20:
            distance += (found[count] - expected) ** 2 / expected
            cells += 1
    # Chi-square with so many degrees of freedom: five standard deviations.
    assert distance < cells + 5 * math.sqrt(2 * cells)


def test_nothing_comes_of_no_traffic():
    assert poisson(random.Random(1), 0.0) == 0


@pytest.mark.parametrize("mean", [1.0, 3.0])
def test_tries_until_a_success_have_their_mean(mean):
    rng = random.Random(2)
    assert sum(geometric(rng, mean) for _ in range(DRAWS)) / DRAWS == pytest.approx(mean, rel=0.03)


def totals(traffic, seed=3):
    windows = list(traffic.play(random.Random(seed)))
    return sum((w.canary for w in windows), Counts()), sum((w.stable for w in windows), Counts())


@pytest.mark.parametrize("clusters", [{}, {"retries": 3}, {"retries": 3, "scattered": True}])
def test_traffic_has_its_shares_and_rates_whatever_the_clusters(clusters):
    canary, stable = totals(Traffic(weights=(0.1, 0.5), canary=0.05, windows=2000, **clusters))
    assert canary.requests / (canary.requests + stable.requests) == pytest.approx(0.3, rel=0.02)
    assert (canary.rate, stable.rate) == (pytest.approx(0.05, rel=0.05), pytest.approx(0.01, rel=0.05))


def test_pods_in_trouble_fail_as_often_on_either_side():
    canary, stable = totals(Traffic(stable=0.0, canary=0.0, weights=(0.2,), windows=3600, bursts=6.0))
    assert canary.bad == pytest.approx(0.2 * Clusters().pods * 6.0 * 10 * BURST, rel=0.2)
    assert stable.bad == pytest.approx(0.8 * Clusters().pods * 6.0 * 10 * BURST, rel=0.2)


def test_before_the_onset_and_in_an_outage_both_sides_are_alike():
    traffic = Traffic(canary=0.5, windows=90, onset=600.0, outage=(0.0, 300.0, 0.2))
    windows = list(traffic.play(random.Random(4)))
    for first, last, ours, theirs in ((0, 30, 0.2, 0.2), (30, 60, 0.01, 0.01), (60, 90, 0.5, 0.01)):
        part = windows[first:last]
        assert sum((w.canary for w in part), Counts()).rate == pytest.approx(ours, abs=0.02)
        assert sum((w.stable for w in part), Counts()).rate == pytest.approx(theirs, abs=0.02)


def test_five_bad_minutes_end_a_rollout_at_the_sixth_look():
    assert Threshold(Traffic(canary=0.2), 0.05).run(random.Random(5)) == 360.0
    assert Threshold(Traffic(), 0.2).run(random.Random(5)) is None


def test_trials_of_a_kind_are_the_same_every_time_and_in_any_parts():
    kind = Kind("X", "some", Watched(Traffic(canary=0.03, windows=60)), Seldom(1.0))
    whole = play(kind, range(20))
    assert whole == play(kind, range(10)) + play(kind, range(10, 20))
    assert len(set(whole)) > 3


def test_no_two_kinds_have_one_name():
    names = [(kind.target, kind.what) for kind in kinds()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("claim", "ends", "met"),
    [
        (Seldom(0.25), [None, None, None, 4.0], True),
        (Seldom(0.24), [None, None, None, 4.0], False),
        (Always(0.75, 10.0), [1.0, 2.0, 10.0, 11.0], True),
        (Always(0.75, 9.0), [1.0, 2.0, 10.0, 11.0], False),
        (Soon(20, 30), [10.0] * 10 + [30.0] * 9 + [None], True),
        (Soon(20, 29), [10.0] * 10 + [30.0] * 9 + [None], False),
        (Soon(9), [10.0] * 20, False),
        (Shown(), [None, 1.0], None),
    ],
)
def test_a_claim_is_met_or_not(claim, ends, met):
    assert claim.measured(ends)[1] is met


def test_a_group_is_told_by_its_worst():
    rows = [
        Row("A1", what, "≤ 1 %", measured, met, "all")
        for what, measured, met in (
            ("calm", "0.1 % (1/1000)", True),
            ("wild", "2 % (20/1000)", False),
            ("quiet", "0 % (0/1000)", True),
        )
    ]
    alone = row(Kind("A3", "alone", Watched(Traffic(), RateRatio()), Shown()), [None])
    assert list(lines([*rows, alone])) == [
        ("A1", "all", "≤ 1 %", "worst of 3: 2 % (20/1000), wild", "NO"), ("A3", "alone", "", "0 % (0/1)", "")
    ]  # fmt: skip
    assert "| A1 | all | ≤ 1 % | worst of 3: 2 % (20/1000), wild | NO |" in page(rows)
    assert next(table(rows)).split() == ["TARGET", "WHAT", "WANTED", "MEASURED", "MET"]


def test_the_command_measures_keeps_and_writes(tmp_path):
    kept, written = tmp_path / "figures.json", tmp_path / "page.md"
    for target in ("A3", "A10"):
        done = subprocess.run(
            [sys.executable, "-m", "canary.sandbox.analysis", "--runs", "4", "--jobs", "1", "--only", target,
             "--json", str(kept), "--write", str(written)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert {name.partition("/")[0] for name in json.loads(kept.read_text())} == {"A3", "A10"}
    assert (
        "| A3 | 1 → 20 %, weight 5 % | median ≤ 30 s, p95 ≤ 30 s | median 30 s, p95 30 s | yes |" in written.read_text()
    )
