"""The catalogue of seeded bugs fits the sources of today."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from canary.sandbox.mutants.catalogue import ROOT, BadCatalogue, Mutant, load, mutated, pick
from canary.sandbox.mutants.hunt import load_kills

MUTANTS = load()
ENOUGH = 45

TABLE = """
[[mutant]]
id = "{id}"
broken = "The number of the state's version is another one."
file = "{file}"
before = "{before}"
after = "{after}"
invariants = ["{invariant}"]
"""
FIELDS = {"id": "a-slip", "file": "core/state.py", "before": "STATE_VERSION = 1", "after": "STATE_VERSION = 2"}


def written(directory: Path, *tables: dict[str, str]) -> Path:
    text = "".join(TABLE.format(**{**FIELDS, "invariant": "S1", **fields}) for fields in tables)
    (directory / "some.toml").write_text(text, "utf-8")
    return directory


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.id)
def test_a_mutant_changes_todays_source_into_another_that_compiles(mutant: Mutant) -> None:
    compile(mutated(mutant), mutant.file, "exec")


@pytest.mark.parametrize("node", sorted({mutant.test for mutant in MUTANTS if mutant.test}))
def test_a_test_that_a_mutant_names_is_there(node: str) -> None:
    path, _, name = node.partition("[")[0].partition("::")
    assert f"def {name}(" in (ROOT / path).read_text("utf-8")


def test_there_are_enough_of_them_in_every_package() -> None:
    packages = Counter(Path(mutant.file).parts[0] for mutant in MUTANTS)
    assert set(packages) >= {"core", "traffic", "controller", "kube", "metrics", "workload"}
    assert len(MUTANTS) >= ENOUGH


def test_something_kills_every_one() -> None:
    kills = load_kills()
    assert [mutant.id for mutant in MUTANTS if mutant.id not in kills and not mutant.test] == []


def test_no_kill_is_kept_of_a_mutant_that_is_no_more() -> None:
    assert load_kills().keys() <= {mutant.id for mutant in MUTANTS}


def test_a_table_is_read(tmp_path: Path) -> None:
    (mutant,) = load(written(tmp_path, {}))
    assert (mutant.module, mutant.invariants) == ("canary.core.state", ("S1",))
    assert "STATE_VERSION = 2" in mutated(mutant)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"invariant": "S99"}, "S99"),
        ({"id": "A slip"}, "A slip"),
        ({"file": "core/nowhere.py"}, "nowhere"),
    ],
)
def test_a_table_that_breaks_a_rule_is_refused(tmp_path: Path, fields: dict[str, str], word: str) -> None:
    with pytest.raises(BadCatalogue, match=word):
        load(written(tmp_path, fields))


def test_an_unknown_field_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.toml").write_text(TABLE.format(**FIELDS, invariant="S1") + 'sead = "1"\n', "utf-8")
    with pytest.raises(BadCatalogue, match="sead"):
        load(tmp_path)


def test_an_id_is_used_once(tmp_path: Path) -> None:
    with pytest.raises(BadCatalogue, match="a-slip"):
        load(written(tmp_path, {}, {}))


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"before": "STATE_VERSION"}, "times"),
        ({"before": "STATE_VERSION = 7"}, "0 times"),
        ({"after": "STATE_VERSION = 1"}, "changes nothing"),
    ],
)
def test_a_change_applies_once_and_changes_something(tmp_path: Path, fields: dict[str, str], word: str) -> None:
    (mutant,) = load(written(tmp_path, fields))
    with pytest.raises(BadCatalogue, match=word):
        mutated(mutant)


def test_an_unknown_id_is_named() -> None:
    with pytest.raises(BadCatalogue, match="nobody"):
        pick(["nobody"], MUTANTS)
