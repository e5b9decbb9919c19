"""The figures of many runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from canary.sandbox.campaign import tally
from canary.sandbox.campaign.report import figures, table
from canary.sandbox.campaign.tally import Tally, tally_of
from canary.sandbox.chaos import Run, schedule_of

MUTANTS = {"count": 50, "killed": 50}


@pytest.fixture(scope="module")
def three() -> Tally:
    return tally_of(range(3))


def test_runs_are_counted_with_what_was_done_to_them(three):
    assert (three.runs, three.failures) == (3, {})
    assert three.ends.total() == 3
    assert three.requests > three.commits > three.raises > 0
    assert three.seconds > 3 * 200
    assert three.deeds.total() == sum(len(schedule_of(seed).actions) for seed in range(3))
    assert three.faults.total() > 0


def test_tallies_add_up(three):
    whole = Tally()
    for seed in range(3):
        whole.add(tally_of([seed]))
    assert whole == three


def test_a_run_that_breaks_something_is_told_by_its_seed(monkeypatch):
    async def rest(run: Run) -> str:
        raise AssertionError("S2 at 1.00 s: a raise without a gate")

    monkeypatch.setattr(Run, "_rest", rest)
    found = figures(_entered(tally_of([7])), first=7, wall=2.0, jobs=1) | {"exhaustive": {}, "mutants": MUTANTS}
    assert found["failed"] == 1
    assert found["failure_rate_bound_95_percent"] is None
    assert "again: python -m canary.sandbox.chaos 7" in "\n".join(table(found))


def _entered(found: Tally) -> Tally:
    assert found.failures == {7: "AssertionError: S2 at 1.00 s: a raise without a gate"}
    return found


def test_a_run_without_end_is_given_up(monkeypatch):
    async def rest(run: Run) -> str:
        while True:
            pass

    monkeypatch.setattr(Run, "_rest", rest)
    monkeypatch.setattr(tally, "CPU_LIMIT", 1.0)
    assert "no end within" in tally_of([7]).failures[7]


def test_the_figures_say_what_they_are(three):
    three.delays[:] = [0.5, 1.0, 9.0]
    found = figures(three, first=0, wall=1.5, jobs=2) | {"exhaustive": {}, "mutants": MUTANTS}
    assert found["seeds_per_second"] == 2.0
    assert found["failure_rate_bound_95_percent"] == 1.0
    assert found["rollback_seconds"] == {"count": 3, "p50": 1.0, "p99": 9.0, "max": 9.0}
    assert json.loads(json.dumps(found)) == found
    lines = "\n".join(table(found))
    assert "p50 1.0 s, p99 9.0 s, max 9.0 s" in lines
    assert "50 of 50 killed" in lines


def test_the_command_prints_the_table_and_writes_the_file(tmp_path):
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "canary.sandbox.campaign", "2", "--first", "40", "--jobs", "1", "--runs-only"]
    done = subprocess.run([*command, "--json", file], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 (from 40), 0 failed" in done.stdout
    assert json.loads(file.read_text())["seeds"] == 2


@pytest.mark.parametrize("arguments", [["0"], ["-3"], ["5", "--jobs", "0"], ["5", "--first", "-1"], ["many"]])
def test_what_cannot_be_played_is_refused(arguments):
    command = [sys.executable, "-m", "canary.sandbox.campaign", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "usage:" in done.stderr
