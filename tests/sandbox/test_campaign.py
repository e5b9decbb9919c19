"""The figures of many runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from canary.sandbox.campaign import runs
from canary.sandbox.campaign.ledger import Ledger, code_digest
from canary.sandbox.campaign.report import figures, table
from canary.sandbox.campaign.tally import Tally
from canary.sandbox.campaign.tasks import CHUNK, play, tasks
from canary.sandbox.chaos import Run, schedule_of
from canary.sandbox.exhaustive.pieces import Played, pieces, plans_of

MUTANTS = {"mutants": {"count": 50, "killed": 50}}
COMMAND = [sys.executable, "-m", "canary.sandbox.campaign"]


@pytest.fixture(scope="module")
def three() -> Tally:
    return runs.seeds(range(3))


def tally(**overrides: object) -> Tally:
    return Tally(**{"runs": 20, "ends": {"Promoted": 20}, "delays": [0.25]} | overrides)  # type: ignore[arg-type]


def campaign(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_runs_are_counted_with_what_was_done_to_them(three):
    assert (three.runs, three.failed) == (3, 0)
    assert sum(three.ends.values()) == 3
    assert three.requests > three.commits > three.raises > 0
    assert three.seconds > 3 * 200
    assert sum(three.deeds.values()) == sum(len(schedule_of(seed).actions) for seed in range(3))
    assert sum(three.faults.values()) > 0
    assert three.cpu > 0


def test_tallies_add_up(three):
    whole = Tally()
    for seed in range(3):
        whole.add(runs.seeds([seed]))
    whole.cpu = three.cpu
    assert whole == three


def test_points_add_up():
    whole = Tally(points=Played(crash_points=2, failures=["one"]))
    whole.add(Tally(points=Played(crash_points=1, call_faults=3, failures=["two"])))
    assert whole.points == Played(crash_points=3, call_faults=3, failures=["one", "two"])
    assert whole.failed == 2


def test_a_run_that_breaks_something_is_told_by_its_seed(monkeypatch):
    async def rest(run: Run) -> str:
        raise AssertionError("S2 at 1.00 s: a raise without a gate")

    monkeypatch.setattr(Run, "_rest", rest)
    broken = runs.seeds([7])
    assert broken.failures == {7: "AssertionError: S2 at 1.00 s: a raise without a gate"}
    found = figures(broken, first=7) | MUTANTS
    assert found["failed"] == 1
    assert found["failure_rate_bound_95_percent"] is None
    assert "again: python -m canary.sandbox.chaos 7" in "\n".join(table(found))


def test_a_run_without_end_is_given_up(monkeypatch):
    async def rest(run: Run) -> str:
        while True:
            pass

    monkeypatch.setattr(Run, "_rest", rest)
    monkeypatch.setattr(runs, "CPU_LIMIT", 1.0)
    assert "no end within" in runs.seeds([7]).failures[7]


def test_the_figures_say_what_they_are(three):
    three.delays[:] = [0.5, 1.0, 9.0]
    found = figures(three, first=0) | MUTANTS
    assert found["failure_rate_bound_95_percent"] == 1.0
    assert found["rollback_seconds"] == {"count": 3, "p50": 1.0, "p99": 9.0, "max": 9.0}
    assert json.loads(json.dumps(found)) == found
    lines = "\n".join(table(found))
    assert "p50 1.0 s, p99 9.0 s, max 9.0 s" in lines
    assert "50 of 50 killed" in lines


def test_every_seed_and_every_point_has_its_task():
    wanted = list(tasks(5, 2 * CHUNK + 1, exhaustive=True))
    ranges = [range(*map(int, task.split()[1:])) for task in wanted if task.startswith("seeds")]
    assert [seed for one in ranges for seed in one] == list(range(5, 46))
    assert [task for task in wanted if task.startswith("points")] == [f"points {piece}" for piece in pieces()]
    assert not any(task.startswith("points") for task in tasks(5, 1, exhaustive=False))


def test_a_piece_of_the_exhaustive_runs_is_played_and_counted():
    task, found = play("points pairs promotion")
    plans = list(plans_of("pairs promotion"))
    assert task == "points pairs promotion"
    assert found.points == Played(
        crash_points=sum(not plan.again for plan in plans), crash_pairs=sum(bool(plan.again) for plan in plans)
    )


@pytest.mark.parametrize("task", ["", "seed 1 2", "points all"])
def test_an_unknown_task_is_refused(task):
    with pytest.raises(ValueError, match="no such"):
        play(task)


def test_a_ledger_gives_back_what_was_played(tmp_path: Path):
    file = tmp_path / "ledger"
    assert Ledger(file, "today").read() == {}
    played = tally(failures={}, points=Played(crash_points=4))
    Ledger(file, "today").add("seeds 0 20", played)
    Ledger(file, "today").add("seeds 20 40", tally(runs=7))
    assert Ledger(file, "today").read() == {"seeds 0 20": played, "seeds 20 40": tally(runs=7)}


def test_what_other_code_has_played_counts_for_nothing(tmp_path: Path):
    Ledger(tmp_path / "ledger", "yesterday").add("seeds 0 20", tally())
    assert Ledger(tmp_path / "ledger", "today").read() == {}


def test_a_torn_line_costs_no_other(tmp_path: Path):
    file = tmp_path / "ledger"
    ledger = Ledger(file, "today")
    ledger.add("seeds 0 20", tally())
    ledger.add("seeds 20 40", tally())
    file.write_bytes(file.read_bytes()[:-30])
    ledger.add("seeds 40 60", tally())
    assert list(ledger.read()) == ["seeds 0 20", "seeds 40 60"]


@pytest.mark.parametrize("failed", [{"failures": {3: "S2"}}, {"points": Played(failures=["S2"])}], ids=["run", "point"])
def test_what_failed_is_played_again(tmp_path: Path, failed):
    ledger = Ledger(tmp_path / "ledger", "today")
    ledger.add("seeds 0 20", tally(**failed))
    assert ledger.read() == {}


def test_the_digest_is_that_of_the_code_that_is_loaded():
    show = "import canary.core.decide, canary.sandbox.campaign.ledger as ledger; print(ledger.code_digest())"
    found = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert len(found.stdout.strip()) == 64
    assert found.stdout.strip() != code_digest()  # more is loaded here
    assert code_digest() == code_digest()


def test_the_command_prints_the_table_and_writes_the_file(tmp_path):
    file = tmp_path / "figures.json"
    done = campaign(2, "--first", 40, "--jobs", 1, "--runs-only", "--json", file)
    assert done.returncode == 0, done.stderr
    assert "2 (from 40), 0 failed" in done.stdout
    assert json.loads(file.read_text())["seeds"] == 2


def test_the_command_goes_on_where_it_was_broken_off(tmp_path):
    ledger = tmp_path / "ledger"
    options = ["--first", 40, "--jobs", 1, "--runs-only", "--ledger", ledger]
    first = campaign(CHUNK, *options)
    assert len(ledger.read_bytes().splitlines()) == 1
    second = campaign(CHUNK + 1, *options)
    assert f"{CHUNK} of {CHUNK + 1} seeds were played before" in second.stderr
    assert f"{CHUNK + 1} (from 40), 0 failed" in second.stdout
    assert len(ledger.read_bytes().splitlines()) == 2
    third = campaign(CHUNK, *options)
    assert third.stdout == first.stdout


def test_a_campaign_that_is_asked_to_end_takes_its_processes_with_it():
    command = [*COMMAND, "4000", "--first", "40", "--jobs", "2", "--runs-only"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        while not _working(running.pid):
            assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert running.wait() == 128 + signal.SIGTERM
        # It ends when the last of them has closed it, and nothing was played to its end.
        assert "seeds" not in running.stderr.read()


def _working(parent: int) -> bool:
    """Whether the children of a process have had a second of CPU."""
    children = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return sum(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]) for pid in children) > 100


@pytest.mark.parametrize("arguments", [["0"], ["-3"], ["5", "--jobs", "0"], ["5", "--first", "-1"], ["many"]])
def test_what_cannot_be_played_is_refused(arguments):
    done = campaign(*arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr
