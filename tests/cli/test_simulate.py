"""`canary simulate`: what it takes, what it says of what it cannot take, and its three forms."""

from __future__ import annotations

import inspect
import io
import json
import re
import textwrap
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from canary.cli.app import app
from canary.cli.exits import Failure
from canary.cli.main import main
from canary.cli.simulate import Options, simulate
from canary.cli.spec_file import canary_in
from canary.cli.terminal import Terminal
from canary.simulate.scenario import FIELDS, parse_scenario
from tests.cli.conftest import SPEC

ROOT = Path(__file__).parents[2]
CANARY = {"apiVersion": "canary.delivery/v1beta1", "kind": "Canary", "metadata": {"name": "shop"}, "spec": SPEC}
LIMITED = {**SPEC, "analysis": {"interval": "10s", "metrics": [{"name": "success-rate", "min": 98}]}}


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "canary.yaml"
    path.write_text(yaml.safe_dump({**CANARY, "spec": LIMITED}))
    return str(path)


def run(file: str, output: str = "", **overrides: object) -> str:
    fields = {"regression": ["20%"]}
    options = {
        "file": file, "scenario": "", "fields": fields, "rollouts": 5, "seed": 1, "jobs": 1, "compare": (),
        "horizon": "", "output": output,
    }  # fmt: skip
    out = io.StringIO()
    assert simulate(Terminal(out, io.StringIO()), Options(**(options | overrides))) == 0
    return out.getvalue()


def test_a_glance_is_plain_text_where_nobody_watches(file):
    text = run(file)
    assert text.startswith("shop: 5 rollouts of each kind, seed 1\n")
    assert "\x1b" not in text
    assert "20% errors                 100%" in text


def test_json_is_one_document(file):
    found = json.loads(run(file, "json", compare=("argo",)))
    assert [player["name"] for player in found["players"]] == ["canary", "Argo Rollouts"]


def test_html_is_one_page(file):
    assert run(file, "html").startswith("<!doctype html>")


def test_flags_count_more_than_the_scenario_file(file, tmp_path):
    scenario = tmp_path / "traffic.yaml"
    scenario.write_text("{rate: 50, errors: 0.5%, regression: [30%]}")
    text = run(file, scenario=str(scenario), fields={"rate": "70", "regression": []})
    assert "70 req/s, 0.5% errors" in text
    assert "30% errors" in text


def test_an_empty_scenario_file_changes_nothing(file, tmp_path):
    scenario = tmp_path / "traffic.yaml"
    scenario.write_text("# nothing\n")
    assert run(file, scenario=str(scenario)) == run(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{rate: fast}", r"traffic\.yaml: rate: must be a number, not 'fast'"),
        ("{pace: 1}", r"traffic\.yaml: pace: there is no such field; there are rate"),
        ("- rate", r"traffic\.yaml: must hold one mapping of fields"),
        ("{}\n---\n{}", r"traffic\.yaml: must hold one mapping of fields"),
        ("{", r"traffic\.yaml: not YAML"),
    ],
)
def test_a_bad_scenario_file_is_named_with_its_field(file, tmp_path, text, message):
    scenario = tmp_path / "traffic.yaml"
    scenario.write_text(text)
    with pytest.raises(Failure, match=message):
        run(file, scenario=str(scenario))


def test_a_bad_flag_is_named(file):
    with pytest.raises(Failure, match=r"^--latency: must be a duration such as"):
        run(file, fields={"latency": "40"})


@pytest.mark.parametrize(
    ("horizon", "message"), [("soon", "--horizon: must be a duration"), ("1s", "--horizon: must be from 1m to 168h")]
)
def test_a_bad_horizon_is_refused(file, horizon, message):
    with pytest.raises(Failure, match=message):
        run(file, horizon=horizon)


def test_what_is_unfinished_at_the_horizon_is_said(file):
    assert "healthy: 5 unfinished after 2m, most of them: Analysing" in run(file, horizon="2m")


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([], "must hold one object of kind Canary, and holds 0"),
        ([CANARY, CANARY], "must hold one object of kind Canary, and holds 2"),
        ([{"kind": "Canary"}], "spec"),
        ([{**CANARY, "spec": {**SPEC, "steps": [{"weight": 101}]}}], r"spec\.steps\[0\]\.weight"),
    ],
)
def test_a_file_without_one_valid_canary_is_refused(tmp_path, documents, message):
    path = tmp_path / "canary.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    with pytest.raises(Failure, match=message):
        canary_in(str(path))


def test_the_canary_may_stand_among_other_objects(tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump_all([{"kind": "Service"}, CANARY, None]))
    assert canary_in(str(path))[0] == "shop"


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(Failure, match="No such file"):
        canary_in(str(tmp_path / "none.yaml"))


def test_the_canary_may_come_from_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(yaml.safe_dump(CANARY)))
    assert canary_in("-")[0] == "shop"


def test_the_flags_are_the_fields_of_a_scenario():
    command = get_command(app).commands["simulate"]
    flags = {option.opts[0].removeprefix("--"): option for option in command.params}
    for name, field in FIELDS.items():
        words = inspect.cleandoc(flags[name].help or "").lower()
        assert words.startswith(field.words.partition(":")[0][:20].lower()) or name == "regression"
    assert [name for name in flags if name in FIELDS] == list(FIELDS)


def test_the_help_of_a_flag_tells_the_default():
    command = get_command(app).commands["simulate"]
    for option in command.params:
        name = option.opts[0].removeprefix("--")
        if name in FIELDS and FIELDS[name].default not in (False,):
            default = option.help.rpartition("(")[2].rstrip(").")
            given = default.split(", ") if name == "regression" else default
            assert parse_scenario({name: given}) == parse_scenario({})


def test_the_whole_command(file, capsys):
    argv = ["simulate", "-f", file, "--rollouts", "3", "--regression", "20%", "--compare", "flagger", "-o", "json"]
    assert main(argv) == 0
    assert json.loads(capsys.readouterr().out)["rollouts"] == 3
    assert main(["simulate", "-f", file, "--errors", "many"]) == 1
    assert capsys.readouterr().err == "Error: --errors: must be a percentage such as 1%, not 'many'\n"


PICTURE = re.compile(r"^    \$ canary simulate -f canary\.yaml (.*)\n((?:(?:    .*)?\n)+)", re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/simulate.md"])
def test_the_pictures_of_the_pages_are_what_the_command_prints_but_for_the_figures(page, tmp_path, capsys):
    example = re.search(r"^```yaml\n(.*?)^```$", (ROOT / "docs/simulate.md").read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "canary.yaml").write_text(example[1])
    ((flags, shown),) = PICTURE.findall((ROOT / page).read_text())
    assert main(["simulate", "-f", str(tmp_path / "canary.yaml"), *flags.split(), "--rollouts", "3"]) == 0
    printed = capsys.readouterr().out
    assert without_figures(textwrap.dedent(shown)) == without_figures(printed)


def without_figures(text: str) -> list[str]:
    """The lines, but of a row with figures only its name."""
    lines = text.strip().splitlines()[1:]
    return [re.sub(r"(?<= ) +[\d.]+% .*%.*", "", line).rstrip() for line in lines]


def test_the_scenario_of_the_page_has_every_field():
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs/simulate.md").read_text(), re.DOTALL | re.MULTILINE)
    fields = yaml.safe_load(blocks[1])
    assert fields.keys() == FIELDS.keys() - {"period"}
    assert [each.name for each in parse_scenario(fields).regressions] == [
        "healthy", "5x: 1.5% errors", "2% errors", "latency 1.5x",
    ]  # fmt: skip
