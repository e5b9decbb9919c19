"""What every rendering of the chart must keep, whatever the values."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from canary.cli.app import app

pytestmark = pytest.mark.timeout(300)

NAMESPACE = "canary-system"
CLUSTER_SCOPED = {"APIService", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
RECOMMENDED = {"name", "instance", "version", "managed-by", "component", "part-of"}


def test_no_object_is_there_twice(rendered: Any) -> None:
    keys = [(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]) for d in rendered.documents]
    assert len(keys) == len(set(keys))


def test_every_object_has_the_recommended_labels(rendered: Any) -> None:
    for document in rendered.documents:
        labels = document["metadata"]["labels"]
        assert {f"app.kubernetes.io/{name}" for name in RECOMMENDED} | {"helm.sh/chart"} <= labels.keys()
        assert all(len(value) <= 63 for value in labels.values())


def test_every_namespaced_object_names_its_namespace(rendered: Any) -> None:
    for document in rendered.documents:
        assert ("namespace" in document["metadata"]) == (document["kind"] not in CLUSTER_SCOPED), document["kind"]


def test_the_pod_meets_the_restricted_standard(rendered: Any) -> None:
    """Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    spec, container = rendered.pod()["spec"], rendered.container()
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()
    assert {kind for volume in spec.get("volumes", ()) for kind in volume} <= {"name", "secret", "configMap"}
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert all("hostPort" not in port for port in container["ports"])


def test_the_controller_has_requests_and_no_cpu_limit(rendered: Any) -> None:
    resources = rendered.container()["resources"]
    assert resources["requests"].keys() == {"cpu", "memory"}
    assert "cpu" not in resources["limits"]


def test_the_probes_ask_the_port_that_the_controller_listens_on(rendered: Any) -> None:
    container = rendered.container()
    (port,) = container["ports"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": port["name"]}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}
    (listen,) = (a for a in container["args"] if a.startswith("--listen="))
    assert listen.endswith(f":{port['containerPort']}")


def test_the_arguments_are_accepted_by_the_program(rendered: Any) -> None:
    program: Any = typer.main.get_command(app)
    name, *arguments = rendered.container()["args"]
    options = program.commands[name].make_context(name, list(arguments)).params
    assert options["leader_elect"] == (rendered.values != "single-values.yaml")
    assert (options["namespace"] or []) == (["shop", "payments"] if rendered.values == "namespaced-values.yaml" else [])
    assert (options["metrics_latency_unit"] == "milliseconds") == (rendered.values == "full-values.yaml")
    assert options["track_secrets"] == (rendered.values == "full-values.yaml")


def test_every_selector_finds_the_pods_and_nothing_of_it_can_change(rendered: Any) -> None:
    labels = rendered.pod()["metadata"]["labels"].items()
    deployment = rendered.only("Deployment")["spec"]["selector"]["matchLabels"]
    selectors = [deployment, *(d["spec"]["selector"]["matchLabels"] for d in rendered.of("PodDisruptionBudget"))]
    selectors += [service["spec"]["selector"] for service in rendered.of("Service")]
    spread = rendered.pod()["spec"].get("topologySpreadConstraints", [])
    selectors += [constraint["labelSelector"]["matchLabels"] for constraint in spread]
    assert all(selector.items() <= labels for selector in selectors)
    assert deployment.keys() == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}


def test_a_service_monitor_finds_the_service_and_a_port_of_it(rendered: Any) -> None:
    for monitor in rendered.of("ServiceMonitor"):
        service = rendered.only("Service")
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_service_leads_to_a_port_of_the_container(rendered: Any) -> None:
    names = {port["name"] for port in rendered.container()["ports"]}
    assert all(p["targetPort"] in names for service in rendered.of("Service") for p in service["spec"]["ports"])


def test_every_binding_binds_a_role_that_is_there_to_the_pod_s_account(rendered: Any) -> None:
    account = rendered.pod()["spec"]["serviceAccountName"]
    for binding in (*rendered.of("RoleBinding"), *rendered.of("ClusterRoleBinding")):
        namespace = binding["metadata"].get("namespace")
        reference = (binding["roleRef"]["kind"], namespace, binding["roleRef"]["name"])
        roles = [*rendered.of("Role"), *rendered.of("ClusterRole")]
        assert reference in {(r["kind"], r["metadata"].get("namespace"), r["metadata"]["name"]) for r in roles}
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}]


def test_no_right_is_a_wildcard_or_leads_to_more_rights(rendered: Any) -> None:
    for role in (*rendered.of("Role"), *rendered.of("ClusterRole")):
        for rule in role["rules"]:
            words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert "*" not in words
            assert "nonResourceURLs" not in rule
            assert not {"escalate", "bind", "impersonate"} & words
            assert "deletecollection" not in words or rule["apiGroups"] == ["canary.delivery"]


def test_secrets_are_in_the_rights_only_where_they_are_tracked(rendered: Any) -> None:
    roles = (*rendered.of("Role"), *rendered.of("ClusterRole"))
    found = any("secrets" in rule["resources"] for role in roles for rule in role["rules"])
    assert found == ("--track-secrets" in rendered.container()["args"]) == (rendered.values == "full-values.yaml")
