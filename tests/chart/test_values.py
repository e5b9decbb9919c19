"""What the values change, and which are refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary import __version__
from canary.api.crd import crd

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/canary"
ALL, TWO, ONE = "default-values.yaml", "namespaced-values.yaml", "single-values.yaml"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())

RIGHTS = {
    ("canary.delivery", "canaries"): "get list patch watch",
    ("canary.delivery", "canaries/status"): "patch",
    ("split.smi-spec.io", "trafficsplits"): "create delete get list update watch",
    ("", "services"): "create delete get list patch update watch",
    ("", "configmaps"): "create delete list patch watch",
    ("", "namespaces"): "get",
    ("apps", "deployments"): "create delete get list patch watch",
    ("apps", "controllerrevisions"): "create delete list patch watch",
    ("apps", "replicasets"): "list",
    ("autoscaling", "horizontalpodautoscalers"): "create delete get list patch watch",
    ("policy", "poddisruptionbudgets"): "create delete get list patch watch",
    ("keda.sh", "scaledobjects"): "create delete get list patch watch",
    ("networking.k8s.io", "networkpolicies"): "list",
    ("monitoring.coreos.com", "podmonitors"): "list",
    ("monitoring.coreos.com", "servicemonitors"): "list",
    ("linkerd.io", "serviceprofiles"): "list",
    ("networking.istio.io", "virtualservices"): "list",
    ("discovery.k8s.io", "endpointslices"): "list watch",
    ("", "pods"): "list",
    **{
        ("metrics.smi-spec.io", kind): "list"
        for kind in ("deployments", "statefulsets", "daemonsets", "pods", "services")
    },
    **{
        ("metrics.smi-spec.io", f"{kind}/edges"): "get"
        for kind in ("deployments", "statefulsets", "daemonsets", "pods", "services")
    },
    ("events.k8s.io", "events"): "create patch",
}
SECRETS = {("", "secrets"): "create delete list patch watch"}
READS_CRD = {("apiextensions.k8s.io", "customresourcedefinitions"): "get"}


def rights(role: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {
        (group, resource): " ".join(sorted(rule["verbs"]))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_lint_has_nothing_to_say(helm: Any, values: str) -> None:
    done = helm("lint", "--strict", str(CHART), "-f", str(CHART / "ci" / values))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout
    assert "[INFO]" not in done.stdout


def test_the_cluster_role_has_exactly_the_rights_that_the_controller_uses(render: Any) -> None:
    (role,) = (r for r in render(ALL).of("ClusterRole") if not r["metadata"]["name"].endswith(("-view", "-edit")))
    assert rights(role) == RIGHTS | READS_CRD
    (crd_rule,) = (rule for rule in role["rules"] if "customresourcedefinitions" in rule["resources"])
    assert crd_rule["resourceNames"] == ["trafficsplits.split.smi-spec.io"]


def test_with_watch_namespaces_the_same_rights_are_given_there_and_nowhere_else(render: Any) -> None:
    rendered = render(TWO)
    roles = {
        r["metadata"]["namespace"]: rights(r) for r in rendered.of("Role") if "election" not in r["metadata"]["name"]
    }
    assert roles == {"shop": RIGHTS, "payments": RIGHTS}
    assert rendered.of("ClusterRole") == []
    assert {"--namespace=shop", "--namespace=payments"} <= set(rendered.container()["args"])


def test_secrets_are_touched_only_where_the_administrator_says_so(render: Any) -> None:
    rendered = render("full-values.yaml")
    (role,) = (r for r in rendered.of("ClusterRole") if not r["metadata"]["name"].endswith(("-view", "-edit")))
    assert rights(role) == RIGHTS | SECRETS | READS_CRD
    assert "--track-secrets" in rendered.container()["args"]
    assert "--track-secrets" not in render(ALL).container()["args"]


def test_the_lease_is_the_only_one_that_may_be_changed(render: Any) -> None:
    rendered = render(ALL)
    (role,) = (r for r in rendered.of("Role") if r["metadata"]["name"].endswith("-leader-election"))
    create, change = role["rules"]
    lease = change["resourceNames"][0]
    assert role["metadata"]["namespace"] == "canary-system"
    assert (create["verbs"], change["verbs"]) == (["create"], ["get", "update"])
    assert {f"--lease-name={lease}", "--lease-namespace=canary-system"} <= set(rendered.container()["args"])


def test_without_an_election_there_are_no_rights_on_leases(render: Any) -> None:
    rendered = render(ONE)
    assert rendered.of("Role") == []
    assert "--no-leader-elect" in rendered.container()["args"]


def test_a_budget_for_disruptions_needs_more_than_one_replica(render: Any) -> None:
    assert len(render(ALL).of("PodDisruptionBudget")) == 1
    assert render(ONE).of("PodDisruptionBudget") == []


def test_the_roles_of_people_are_aggregated(render: Any) -> None:
    view, edit = (r for r in render(ALL).of("ClusterRole") if r["metadata"]["name"].endswith(("-view", "-edit")))
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    assert {k.removeprefix(prefix) for k in view["metadata"]["labels"] if k.startswith(prefix)} == {
        "view",
        "edit",
        "admin",
    }
    assert {k.removeprefix(prefix) for k in edit["metadata"]["labels"] if k.startswith(prefix)} == {"edit", "admin"}
    assert rights(view) == {("canary.delivery", "canaries"): "get list watch"}


def test_the_crd_of_the_chart_is_the_generated_one(render: Any) -> None:
    assert (CHART / "files/canaries.yaml").read_bytes() == (ROOT / "crds/canaries.yaml").read_bytes(), (
        "run `make generate`"
    )
    rendered = render(ALL).only("CustomResourceDefinition")
    annotations, labels = rendered["metadata"].pop("annotations"), rendered["metadata"].pop("labels")
    try:
        assert annotations == {"helm.sh/resource-policy": "keep"}
        assert rendered == crd()
    finally:
        rendered["metadata"] |= {"annotations": annotations, "labels": labels}


def test_the_crd_can_be_left_out_or_go_with_the_release(render: Any) -> None:
    assert render(TWO).of("CustomResourceDefinition") == []
    assert "annotations" not in render("full-values.yaml").only("CustomResourceDefinition")["metadata"]


def test_a_digest_wins_over_the_tag(render: Any) -> None:
    assert render(ALL).container()["image"] == f"canary:{__version__}"
    assert render("full-values.yaml").container()["image"].startswith("registry.example/team/canary@sha256:")


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["appVersion"], chart["version"]) == (__version__, __version__)


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("replicas=-1", "replicas"),
        ("replicas=two", "replicas"),
        ("replica=2", "replica"),
        ("log.levle=debug", "levle"),
        ("log.level=loud", "level"),
        ("image.digest=sha256:12", "digest"),
        ("watchNamespaces={Shop}", "watchNamespaces"),
        ("metrics.service.port=0", "port"),
        ("podDisruptionBudget.maxUnavailable=0", "maxUnavailable"),
        ("crds.install=maybe", "install"),
    ],
)
def test_a_wrong_value_is_refused_and_named(helm: Any, setting: str, path: str) -> None:
    done = helm("template", "demo", str(CHART), "--set", setting)
    assert done.returncode != 0
    assert "schema" in done.stderr
    assert path in done.stderr


def test_no_account_at_all_is_refused_with_words(helm: Any) -> None:
    done = helm("template", "demo", str(CHART), "--set", "serviceAccount.create=false")
    assert done.returncode != 0
    assert "serviceAccount.name is needed" in done.stderr


def test_an_old_cluster_is_refused(helm: Any) -> None:
    assert helm("template", "demo", str(CHART), "--kube-version", "1.28.9").returncode != 0
    assert helm("template", "demo", str(CHART), "--kube-version", "1.29.0-gke.1").returncode == 0


def notes(helms: dict[str, Path], values: str) -> str:
    # helm 3 wants a cluster for this.
    binary = next(iter(helms.values()))
    file = str(CHART / "ci" / values)
    command = [str(binary), "install", "demo", str(CHART), "-f", file, "-n", "canary-system", "--dry-run=client"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:")[2]


def test_the_notes_name_the_next_commands_and_the_missing_image(helms: dict[str, Path]) -> None:
    found = notes(helms, ALL)
    assert found.count("\n  kubectl ") == 3
    assert "No image is published" in found


def test_the_notes_name_the_sources_that_there_are(helms: dict[str, Path]) -> None:
    assert "analysis.source may say: SMI.\n" in notes(helms, ALL)
    assert "analysis.source may say: SMI, Prometheus, Proxies.\n" in notes(helms, "sources-values.yaml")


def _objects(schema: dict[str, Any], path: str = "") -> Any:
    if schema.get("type") == "object" and "properties" in schema:
        yield path, schema
        for name, child in schema["properties"].items():
            yield from _objects(child, f"{path}.{name}")


def test_the_schema_is_closed_and_describes_every_value() -> None:
    for path, schema in _objects(SCHEMA):
        assert schema["additionalProperties"] is False, path
        assert all(child.get("description") for child in schema["properties"].values()), path


def test_the_schema_and_the_defaults_know_the_same_values() -> None:
    for path, schema in _objects(SCHEMA):
        value: Any = DEFAULTS
        for name in path.split(".")[1:]:
            value = value[name]
        assert value.keys() == schema["properties"].keys() - {"global", "claims"}, path
