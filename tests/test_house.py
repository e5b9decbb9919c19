"""The house rules that no linter knows: where time, chance and the environment may come in, and how long a file may be.

Everything outside the adapters gets clock, randomness and identity as arguments: only so does the same code run in
virtual time, and the same way every time.
"""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "canary"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST, MEDIAN = 500, 150

# Module → what must not be used of it; "*" is everything but the exceptions.
FORBIDDEN = {
    "time": {"*"},
    "random": {"*"},
    "secrets": {"*"},
    "datetime.datetime": {"now", "utcnow", "today"},
    "datetime.date": {"today"},
    "uuid": {"uuid1", "uuid4"},
    "os": {"environ", "environb", "getenv", "urandom"},
    "asyncio": {"to_thread"},
}
# A generator that is seeded by its owner is an argument like any other.
ALLOWED = {"random.Random"}

ADAPTERS: dict[str, dict[str, str]] = {
    "kube/clock.py": {"datetime.datetime.now": "the clock of the machine, which all others get as an argument"},
    "server/settings.py": {"uuid.uuid4": "the identity of a process is made where the process begins"},
    "server/http.py": {"asyncio.to_thread": "a scrape of a thousand Canaries must not hold up a rollback"},
    "cli/session.py": {"os.environ": "the edge: KUBECONFIG, NO_COLOR"},
    "cli/smi_metrics.py": {"os.environ": "the edge: KUBECONFIG, and whether this is a pod"},
    "cli/run.py": {"os.environ": "the edge: KUBECONFIG, and whether this is a pod"},
    "cli/demo.py": {"random.randrange": "the edge: the seed of a demo for which none is given"},
    "sandbox/demo/stage.py": {"secrets.token_urlsafe": "the token of the demo's cluster"},
    "sandbox/campaign/runs.py": {"time.process_time": "how much of this machine a run takes"},
    "cli/sandbox.py": {"secrets.token_urlsafe": "the token of a new sandbox"},
}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imported(tree: ast.AST) -> dict[str, str]:
    """What each name of a module stands for, in full."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                names[alias.asname or root] = alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    """The full name that an expression stands for; empty when it is none."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, names)
        return f"{base}.{node.attr}" if base else ""
    return ""


def used(source: str) -> Iterator[tuple[str, int]]:
    """Every forbidden thing that a source uses, by full name, and its line."""
    tree = ast.parse(source)
    names = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute | ast.Name):
            found = [dotted(node, names)]
        else:
            continue
        for full in found:
            module, _, attribute = full.rpartition(".")
            words = FORBIDDEN.get(module, set())
            if (attribute in words or "*" in words) and full not in ALLOWED:
                yield full, node.lineno


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_adapters_know_time_chance_and_environment(path: Path) -> None:
    allowed = ADAPTERS.get(name_of(path), {})
    found = [f"{path}:{line} uses {full}" for full, line in used(path.read_text("utf-8")) if full not in allowed]
    assert not found, "\n".join((*found, "take clock, rng or identity as an argument, or name the adapter above"))


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_still_needs_what_it_is_allowed(name: str) -> None:
    assert {full for full, _ in used((PACKAGE / name).read_text("utf-8"))} >= set(ADAPTERS[name])


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.monotonic()",
        "from time import sleep",
        "import time as t\nt.time()",
        "import random\nrandom.random()",
        "from random import choice",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime as dt\ndt.utcnow()",
        "from datetime import date\ndate.today()",
        "import uuid\nuuid.uuid4()",
        "import os\nos.environ['HOME']",
        "import os\nwait = os.getenv",
        "import asyncio\nasyncio.to_thread(print)",
    ],
)
def test_the_walk_finds(source: str) -> None:
    assert list(used(source))


@pytest.mark.parametrize(
    "source",
    [
        "import random\nrng = random.Random(1)\nrng.random()",
        "from datetime import datetime\ndatetime.fromisoformat('2026-01-01')",
        "clock.time()",
        "import os\nos.path.join('a', 'b')",
        "import uuid\nuuid.uuid5",
    ],
)
def test_the_walk_lets_pass(source: str) -> None:
    assert not list(used(source))


def test_files_are_small() -> None:
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
    assert statistics.median(lengths.values()) <= MEDIAN
