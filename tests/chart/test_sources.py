"""The one Prometheus of the values, for everybody who asks it, and the proxies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from canary.cli.app import app
from canary.cli.packs import PrometheusOptions, flavour_of, pack_of, prometheus_for
from canary.metrics.prometheus.pack_file import PACKS
from canary.metrics.proxies.flavour import FLAVOURS

pytestmark = pytest.mark.timeout(300)

CHART = Path(__file__).parents[2] / "charts/canary"
NAMESPACE = "canary-system"
VALUES = {"controller": "sources-values.yaml", "smi-metrics": "smi-metrics-values.yaml"}


@pytest.fixture(params=VALUES)
def asking(request: pytest.FixtureRequest, render: Any) -> Any:
    """What was rendered, with the Deployment that asks Prometheus as its own."""
    return replace(render(VALUES[request.param]), component=request.param)


def rendered(helm: Any, *settings: str, values: str = "sources-values.yaml") -> list[dict[str, Any]]:
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    done = helm("template", "demo", str(CHART), "-n", NAMESPACE, "-f", str(CHART / "ci" / values), *arguments)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of(documents: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [document for document in documents if document["kind"] == kind]


def arguments(documents: list[dict[str, Any]]) -> list[str]:
    (deployment,) = of(documents, "Deployment")
    found: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


def options(container: dict[str, Any]) -> dict[str, Any]:
    program: Any = typer.main.get_command(app)
    name, *given = container["args"]
    found: dict[str, Any] = program.commands[name].make_context(name, list(given)).params
    return found


def test_without_an_address_nobody_is_told_of_prometheus_or_of_proxies(render: Any) -> None:
    found = render("default-values.yaml")
    assert [a for a in found.container()["args"] if "prometheus" in a or "pack" in a or "proxies" in a] == []
    assert "volumes" not in found.pod()["spec"]
    assert found.of("ConfigMap") == []


def test_the_address_the_authority_and_the_token_are_the_same_for_all_who_ask(asking: Any) -> None:
    found = options(asking.container())
    assert found["prometheus_url"] == "https://prometheus.monitoring.svc:9090"
    assert found["prometheus_ca_file"] == "/etc/canary/prometheus-ca/ca.crt"
    assert found["prometheus_token_file"] == "/etc/canary/prometheus-token/token"
    assert found["pack"] == "/etc/canary/pack/pack.yaml"


def test_the_program_takes_the_values_as_its_sources(render: Any, tmp_path: Path) -> None:
    found = render("sources-values.yaml")
    file = tmp_path / "pack.yaml"
    file.write_text(found.only("ConfigMap")["data"]["pack.yaml"])
    given = options(found.container())
    settings = prometheus_for(PrometheusOptions(given["prometheus_url"], str(file), "", "", given["scrape_interval"]))
    flavour = flavour_of(given["proxies"])
    assert (settings and settings.scrape, flavour and flavour.name) == (5.0, "istio")


def test_every_file_of_the_arguments_is_mounted(asking: Any) -> None:
    mounts = {each["mountPath"]: each["name"] for each in asking.container()["volumeMounts"]}
    files = [a.partition("=")[2] for a in asking.container()["args"] if a.partition("=")[2].startswith("/")]
    assert {str(Path(file).parent) for file in files} == mounts.keys()
    assert [each["name"] for each in asking.pod()["spec"]["volumes"]] == list(mounts.values())
    assert all(each["readOnly"] for each in asking.container()["volumeMounts"])


def test_secrets_can_be_read_by_the_group_that_the_pods_run_as(asking: Any) -> None:
    secrets = [each["secret"] for each in asking.pod()["spec"]["volumes"] if "secret" in each]
    assert {0o440} == {secret["defaultMode"] for secret in secrets}
    assert asking.pod()["spec"]["securityContext"]["fsGroup"] == 65532


def test_overrides_of_a_pack_are_one_file_for_all(asking: Any, tmp_path: Path) -> None:
    (found,) = of(asking.documents, "ConfigMap")
    (volume,) = (each for each in asking.pod()["spec"]["volumes"] if each["name"] == "pack")
    file = tmp_path / "pack.yaml"
    file.write_text(found["data"]["pack.yaml"])
    assert volume["configMap"]["name"] == found["metadata"]["name"]
    assert pack_of(str(file)).name == "istio"


def test_other_overrides_start_new_pods(asking: Any, helm: Any) -> None:
    changed = rendered(helm, "prometheus.packOverrides.latency.unit=s", values=asking.values)
    digests = {
        deployment["spec"]["template"]["metadata"]["annotations"]["canary.delivery/pack"]
        for deployment in of(changed, "Deployment")
        if deployment["metadata"]["name"] == asking.only("Deployment")["metadata"]["name"]
    }
    assert digests.isdisjoint({asking.pod()["metadata"]["annotations"]["canary.delivery/pack"]})
    assert len(digests) == 1


def test_annotations_of_the_administrator_stay_beside_that_of_the_pack(helm: Any) -> None:
    (deployment,) = of(rendered(helm, "podAnnotations.reload=now"), "Deployment")
    assert deployment["spec"]["template"]["metadata"]["annotations"].keys() == {"reload", "canary.delivery/pack"}


def test_a_pack_without_overrides_is_named(helm: Any) -> None:
    found = rendered(helm, "prometheus.packOverrides=null")
    assert "--pack=istio" in arguments(found)
    assert of(found, "ConfigMap") == []


def test_a_field_is_taken_away_by_overrides_that_are_text(helm: Any, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"prometheus": {"url": "http://p:9090", "packOverrides": "latency: null\n"}}))
    done = helm("template", "demo", str(CHART), "-f", str(values))
    (found,) = (d for d in yaml.safe_load_all(done.stdout) if d and d["kind"] == "ConfigMap")
    file = tmp_path / "pack.yaml"
    file.write_text(found["data"]["pack.yaml"])
    assert (pack_of(str(file)).name, pack_of(str(file)).latency) == ("linkerd", None)
    assert done.stderr == ""


@pytest.mark.parametrize("pack", PACKS)
def test_every_pack_can_be_chosen(helm: Any, pack: str) -> None:
    assert f"--pack={pack}" in arguments(rendered(helm, f"prometheus.pack={pack}", "prometheus.packOverrides=null"))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_kind_of_proxy_can_be_chosen_without_a_prometheus(helm: Any, flavour: str) -> None:
    found = arguments(rendered(helm, f"proxies={flavour}", values="default-values.yaml"))
    assert f"--proxies={flavour}" in found
    assert [a for a in found if "prometheus" in a] == []


def test_the_sources_need_no_rights_of_their_own(render: Any) -> None:
    plain, all_of_them = (render(values).of("ClusterRole") for values in ("default-values.yaml", VALUES["controller"]))
    assert plain == all_of_them


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("prometheus.url=prometheus:9090", "url"),
        ("prometheus.url=https://me:secret@prometheus", "url"),
        ("prometheus.pack=nomesh", "pack"),
        ("prometheus.scrapeInterval=5", "scrapeInterval"),
        ("prometheus.token.secret=mine", "secret"),
        ("proxies=nginx", "proxies"),
    ],
)
def test_a_wrong_value_is_refused_and_named(helm: Any, setting: str, words: str) -> None:
    done = helm("template", "demo", str(CHART), "--set", setting)
    assert done.returncode != 0
    assert "schema" in done.stderr
    assert words in done.stderr
