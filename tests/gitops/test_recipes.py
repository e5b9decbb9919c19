"""What docs/gitops-managed.md and gitops/recipes hand out can be used as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary.api.names import CONTROLLER_MANAGER
from canary.api.validation import validate

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "gitops/recipes"
TEXT = (ROOT / "docs/gitops-managed.md").read_text("utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]


def manifest(name: str) -> Any:
    return yaml.safe_load((RECIPES / name).read_text("utf-8"))


def test_the_manifests_leave_to_the_controller_what_is_its_own() -> None:
    kinds = {path.name: manifest(f"app/{path.name}")["kind"] for path in (RECIPES / "app").glob("*.yaml")}
    assert "Service" not in kinds.values()
    assert "replicas" not in manifest("app/deployment.yaml")["spec"]
    assert set(manifest("app/kustomization.yaml")["resources"]) == kinds.keys() - {"kustomization.yaml"}


def test_the_chart_has_the_same_objects() -> None:
    templates = RECIPES / "helm/podinfo/templates"
    assert {path.name for path in templates.iterdir()} == set(manifest("app/kustomization.yaml")["resources"])
    assert "replicas:" not in (templates / "deployment.yaml").read_text("utf-8").replace("No replicas:", "")


def test_the_canary_is_valid_and_fits_the_deployment_and_its_autoscaler() -> None:
    canary, deployment = manifest("app/canary.yaml"), manifest("app/deployment.yaml")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert validate(canary["spec"]) == ()
    assert canary["spec"]["targetRef"]["name"] == deployment["metadata"]["name"]
    assert manifest("app/autoscaler.yaml")["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert canary["spec"]["service"]["ports"][0]["targetPort"] in {port["name"] for port in container["ports"]}
    assert {each["metadata"]["namespace"] for each in (canary, deployment)} == {"shop"}


def test_argo_cd_leaves_alone_what_our_field_manager_writes() -> None:
    spec = manifest("argocd/application.yaml")["spec"]
    (shown,) = (block for block in BLOCKS if "ignoreDifferences" in block)
    assert spec["ignoreDifferences"][0]["managedFieldsManagers"] == [CONTROLLER_MANAGER]
    assert shown["ignoreDifferences"] == spec["ignoreDifferences"]
    assert shown["syncPolicy"]["syncOptions"] == spec["syncPolicy"]["syncOptions"]


def test_flux_leaves_the_replicas_of_a_chart_alone() -> None:
    drift = manifest("flux/helmrelease.yaml")["spec"]["driftDetection"]
    (shown,) = (block for block in BLOCKS if "driftDetection" in block)
    assert shown["driftDetection"] == drift


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_recipe_is_one_object_of_its_kind(path: Path) -> None:
    found = yaml.safe_load(path.read_text("utf-8"))
    assert {"apiVersion", "kind"} <= found.keys()


def test_every_command_names_the_chart_that_is_there() -> None:
    charts = set(re.findall(r"gitops/recipes/helm/\w+", TEXT))
    assert charts
    assert all((ROOT / chart / "Chart.yaml").exists() for chart in charts)
