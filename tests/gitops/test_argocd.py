"""The Argo CD scripts: health and actions on the examples beside them, as Argo CD's own tests run them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from canary.api.crd import schema
from canary.api.schema import check
from canary.core.commands import parse_abort, parse_command
from canary.sandbox.judges import ScriptError, argocd
from canary.sandbox.judges.lua import run

HOME = argocd.SCRIPTS
RENDER = HOME.parents[2] / "render.py"
WALL = 1_800_000_100.0
HEALTH_TESTS = yaml.safe_load((HOME / "health_test.yaml").read_text())["tests"]
ACTION_TESTS = yaml.safe_load((HOME / "actions/action_test.yaml").read_text())
EXAMPLES = sorted((HOME / "testdata").glob("*.yaml")) + sorted((HOME / "actions/testdata").glob("*.yaml"))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", HEALTH_TESTS, ids=lambda case: case["inputPath"])
def test_the_health_of_an_example_is_the_expected_one(case: dict[str, Any]) -> None:
    health = argocd.health(load(HOME / case["inputPath"]))
    assert {"status": health.status, "message": health.message} == case["healthStatus"]


def test_every_example_of_health_has_an_expectation() -> None:
    assert {HOME / case["inputPath"] for case in HEALTH_TESTS} == set((HOME / "testdata").glob("*.yaml"))


@pytest.mark.parametrize("case", ACTION_TESTS["discoveryTests"], ids=lambda case: case["inputPath"])
def test_the_actions_offered_for_an_example_are_the_expected_ones(case: dict[str, Any]) -> None:
    offered = argocd.actions(load(HOME / "actions" / case["inputPath"]))
    assert offered == {action["name"]: not action["disabled"] for action in case["result"]}


@pytest.mark.parametrize("case", ACTION_TESTS["actionTests"], ids=lambda case: case["action"])
def test_an_action_changes_an_example_as_expected(case: dict[str, Any]) -> None:
    before, after = (load(HOME / "actions" / case[key]) for key in ("inputPath", "expectedOutputPath"))
    assert argocd.act(case["action"], before, wall=WALL) == after


@pytest.mark.parametrize("case", ACTION_TESTS["actionTests"], ids=lambda case: case["action"])
def test_the_controller_reads_what_an_action_writes(case: dict[str, Any]) -> None:
    before = load(HOME / "actions" / case["inputPath"])
    annotations = argocd.act(case["action"], before, wall=WALL)["metadata"]["annotations"]
    revision = before["status"]["canaryRevision"]
    if case["action"] == "abort":
        assert parse_abort(annotations["canary.delivery/abort"]).revision == revision
    else:
        command = parse_command(annotations["canary.delivery/command"])
        assert (command.verb.value, command.revision) == (case["action"], revision)


def test_an_action_keeps_the_annotations_that_are_there() -> None:
    canary = load(HOME / "testdata/progressing_analysing.yaml")
    canary["metadata"]["annotations"] = {"team": "shop"}
    assert argocd.act("pause", canary, wall=WALL)["metadata"]["annotations"]["team"] == "shop"


def test_approving_when_no_approval_is_awaited_is_an_error() -> None:
    with pytest.raises(ScriptError, match="waits for no approval"):
        argocd.act("approve", load(HOME / "testdata/progressing_analysing.yaml"), wall=WALL)


def test_every_action_that_is_offered_exists_and_the_other_way_round() -> None:
    offered = argocd.actions(load(HOME / "testdata/healthy.yaml"))
    assert set(offered) == {path.parent.name for path in HOME.glob("actions/*/action.lua")}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_an_example_is_a_canary_that_the_schema_accepts(path: Path) -> None:
    canary = load(path)
    assert list(check(schema()["properties"]["spec"], canary["spec"], "spec")) == []
    assert list(check(schema()["properties"]["status"], canary["status"], "status")) == []


@pytest.mark.parametrize(
    "expression",
    ["string", "math", "io", "debug", "coroutine", "python", "os.execute", "os.getenv", "loadfile", "package"],
)
def test_a_script_has_no_more_of_lua_than_argo_cd_gives_it(expression: str) -> None:
    assert run(f"return {{{expression} == nil}}", {}) == [True]


def test_a_script_has_no_methods_of_strings() -> None:
    with pytest.raises(ScriptError):
        run("return ('text'):len()", {})


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("return obj.status.conditions[1].type", "attempt to index"),
        ("return {status = 'Fine'}", "invalid health status"),
        ("return nil", "expect table"),
    ],
)
def test_a_broken_script_is_unknown_which_argo_cd_ranks_worst(script: str, message: str) -> None:
    health = argocd.health({"metadata": {"generation": 1}}, script)
    assert health.status == "Unknown"
    assert message in health.message


def _render() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render", RENDER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_config_map_holds_the_scripts_as_they_are() -> None:
    render = _render()
    assert render.TARGET.read_text(encoding="utf-8") == render.config_map(), "run `make generate`"
    data = load(render.TARGET)["data"]
    assert data["resource.customizations.health.canary.delivery_Canary"] == argocd.read(argocd.HEALTH)
    actions = yaml.safe_load(data["resource.customizations.actions.canary.delivery_Canary"])
    assert actions["discovery.lua"] == argocd.read(argocd.DISCOVERY)
    assert {d["name"]: d["action.lua"] for d in actions["definitions"]} == {
        path.parent.name: path.read_text(encoding="utf-8") for path in HOME.glob("actions/*/action.lua")
    }
