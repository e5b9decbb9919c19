"""The chart's own server for the SMI metrics API."""

from __future__ import annotations

import base64
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from canary.cli.app import app
from canary.smi_metrics.discovery import resources
from canary.smi_metrics.kinds import SERVED

pytestmark = pytest.mark.timeout(300)

CHART = Path(__file__).parents[2] / "charts/canary"
NAMESPACE = "canary-system"
VALUES = "smi-metrics-values.yaml"
NAME = "demo-canary-smi-metrics"


@pytest.fixture
def server(render: Any) -> Any:
    return replace(render(VALUES), component="smi-metrics")


def template(helm: Any, *settings: str) -> Any:
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    return helm("template", "demo", str(CHART), "-n", NAMESPACE, "-f", str(CHART / "ci" / VALUES), *arguments)


def test_it_is_off_unless_asked_for(render: Any) -> None:
    rendered = replace(render("default-values.yaml"), component="smi-metrics")
    assert all(rendered.of(kind) == [] for kind in ("Deployment", "APIService", "Secret", "ClusterRole"))


def test_the_api_is_registered_with_the_service_and_its_authority(server: Any) -> None:
    registered = server.only("APIService")
    spec, service = registered["spec"], server.only("Service")
    assert registered["metadata"]["name"] == f"{spec['version']}.{spec['group']}" == "v1alpha1.metrics.smi-spec.io"
    assert spec["service"] == {"name": service["metadata"]["name"], "namespace": NAMESPACE, "port": 443}
    assert [port["port"] for port in service["spec"]["ports"]] == [443]
    assert spec["caBundle"] == server.only("Secret")["data"]["ca.crt"]


def test_the_certificate_is_one_for_the_service_signed_by_the_authority(server: Any, tmp_path: Path) -> None:
    for name, text in server.only("Secret")["data"].items():
        (tmp_path / name).write_bytes(base64.b64decode(text))
    accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    accepting.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    asking = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server, server_hostname=f"{NAME}.{NAMESPACE}.svc")
    answering = accepting.wrap_bio(to_server, to_client, server_side=True)
    for end in (client, answering, client):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert client.getpeercert()["subject"] == ((("commonName", f"{NAME}.{NAMESPACE}.svc"),),)  # type: ignore[index]


def test_the_arguments_are_accepted_by_the_program(server: Any) -> None:
    program: Any = typer.main.get_command(app)
    name, *arguments = server.container()["args"]
    options = program.commands[name].make_context(name, list(arguments)).params
    assert options["prometheus_url"] == "https://prometheus.monitoring.svc:9090"
    (port,) = server.container()["ports"]
    assert options["listen"].endswith(f":{port['containerPort']}")


def test_the_pod_meets_the_restricted_standard(server: Any, render: Any) -> None:
    """Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    controller = render(VALUES)
    assert server.container()["securityContext"] == controller.container()["securityContext"]
    assert server.pod()["spec"]["securityContext"] == controller.pod()["spec"]["securityContext"]
    assert {kind for each in server.pod()["spec"]["volumes"] for kind in each} == {"name", "secret", "configMap"}


def test_the_controller_s_selectors_do_not_find_its_pods(server: Any, render: Any) -> None:
    labels = server.pod()["metadata"]["labels"].items()
    assert server.only("Deployment")["spec"]["selector"]["matchLabels"].items() <= labels
    assert server.only("Service")["spec"]["selector"].items() <= labels
    controller = render(VALUES)
    assert not controller.only("Deployment")["spec"]["selector"]["matchLabels"].items() <= labels
    assert not controller.only("Service")["spec"]["selector"].items() <= labels


def test_it_may_list_what_it_serves_and_nothing_else(server: Any) -> None:
    (role, _) = server.of("ClusterRole")
    granted = {(group, r) for rule in role["rules"] for group in rule["apiGroups"] for r in rule["resources"]}
    assert granted == {(served.objects.group, served.plural) for served in SERVED}
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"list"}


def test_it_learns_who_the_aggregator_is_by_the_role_that_kubernetes_has_for_it(server: Any) -> None:
    binding = server.only("RoleBinding")
    assert binding["metadata"]["namespace"] == "kube-system"
    assert binding["roleRef"]["name"] == "extension-apiserver-authentication-reader"
    account = server.pod()["spec"]["serviceAccountName"]
    for bound in (binding, server.only("ClusterRoleBinding")):
        assert bound["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}]


def test_people_who_may_view_may_read_all_that_is_served(server: Any) -> None:
    (_, view) = server.of("ClusterRole")
    assert set(view["rules"][0]["resources"]) == {each["name"] for each in resources()["resources"]}
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"


def test_a_certificate_of_one_s_own_needs_no_secret_of_the_chart(helm: Any) -> None:
    tls, note = "smiMetrics.server.tls", "smiMetrics.server.apiServiceAnnotations"
    done = template(helm, f"{tls}.secretName=mine", rf"{note}.cert-manager\.io/inject-ca-from=canary-system/mine")
    documents = [each for each in yaml.safe_load_all(done.stdout) if each]
    (registered,) = (each for each in documents if each["kind"] == "APIService")
    assert registered["metadata"]["annotations"] == {"cert-manager.io/inject-ca-from": "canary-system/mine"}
    assert "caBundle" not in registered["spec"]
    assert [each for each in documents if each["kind"] == "Secret"] == []
    assert "secretName: mine" in done.stdout


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("prometheus.url=", "prometheus.url is needed"),
        ("smiMetrics.server.pack=istio", "pack"),
        ("smiMetrics.server.timeout=5", "timeout"),
        ("smiMetrics.server.tls.validityDays=0", "validityDays"),
    ],
)
def test_a_wrong_value_is_refused_and_named(helm: Any, setting: str, words: str) -> None:
    done = template(helm, setting)
    assert done.returncode != 0
    assert words in done.stderr
