"""`canary smi-metrics`, installed by the chart, behind the real aggregator and in front of a real Prometheus."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from canary.core.window import Peer, Sample
from canary.kube.client import Client
from canary.kube.clock import SystemClock
from canary.metrics.smi import parse
from canary.metrics.smi_source import SmiSource
from canary.metrics.source import Asked, series_of
from e2e.exposed import Exposed, read
from e2e.plane import Plane
from e2e.plane.api import RequestFailed
from e2e.prometheus import PrometheusServer
from e2e.smi_endpoint import SmiEndpoint
from e2e.smi_server import MERGE, NAME, InstalledServer, in_place_of
from e2e.smi_wire import GROUP, PREFIX, VERSION
from e2e.test_controlplane import deployment

EXPOSITIONS = Path(__file__).parents[1] / "tests" / "metrics" / "prometheus" / "expositions"
SHOP = "shop"
WINDOW = 10
NEARLY = 0.05
NOTICED_IN = 20.0
UNAVAILABLE = "the server is currently unable to handle the request"
"""What kubectl says of a 503 of the aggregator's own; the SMI metrics server says what it lacks."""


@pytest.fixture(scope="module")
def prometheus() -> Iterator[PrometheusServer]:
    """A Prometheus that has scraped a Linkerd for longer than a window."""
    started = time.monotonic()
    exposed = Exposed(read(EXPOSITIONS), lambda: time.monotonic() - started)
    exposed.start()
    job = f"- job_name: mesh\n  metrics_path: /linkerd\n  static_configs: [{{targets: ['127.0.0.1:{exposed.port}']}}]\n"
    with PrometheusServer(f"global: {{scrape_interval: 1s}}\nscrape_configs:\n{job}") as server:
        query = f"{server.url}/api/v1/query?query=count_over_time(up[{WINDOW + 2}s])%3E{WINDOW}"
        while not json.loads(urllib.request.urlopen(query, timeout=5).read())["data"]["result"]:
            time.sleep(0.2)
        yield server
    exposed.stop()


@pytest.fixture(scope="module")
def shop(plane: Plane) -> Iterator[None]:
    """The namespace whose traffic was measured, with the objects that it is of."""
    plane.api.json("POST", "/api/v1/namespaces", {"metadata": {"name": SHOP}})
    for name, track in (("web", "stable"), ("web-canary", "canary")):
        body = deployment(name, 0) | {"metadata": {"name": name, "labels": {"track": track}}}
        plane.api.json("POST", f"/apis/apps/v1/namespaces/{SHOP}/deployments", body)
    yield
    plane.api.json("DELETE", f"/api/v1/namespaces/{SHOP}")


@pytest.fixture(scope="module")
def server(
    plane: Plane,
    smi_server: SmiEndpoint,
    helms: dict[str, Path],
    shop: None,
    prometheus: PrometheusServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[InstalledServer]:
    """The installed server, in the place of the scripted one of the other tests."""
    directory = tmp_path_factory.mktemp("smi-metrics")
    server = InstalledServer(plane, next(iter(helms.values())), "canary-system", directory, prometheus.url)
    with in_place_of(smi_server, plane, server):
        yield server


def asked(plane: Plane, path: str) -> Any:
    """What the API answers. The aggregator needs a moment to notice where the Service leads since it was replaced."""
    until = time.monotonic() + NOTICED_IN
    done = plane.kubectl("get", "--raw", f"{PREFIX}{path}")
    while UNAVAILABLE in done.stderr and time.monotonic() < until:
        time.sleep(0.2)
        done = plane.kubectl("get", "--raw", f"{PREFIX}{path}")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def counts(item: dict[str, Any]) -> tuple[float, float]:
    """Successes and failures a second."""
    body = json.dumps({"kind": "TrafficMetricsList", "items": [item]}).encode()
    resource = item["resource"]
    sample = parse(body, window=WINDOW)[series_of(resource["kind"], resource.get("namespace", ""), resource["name"])]
    assert isinstance(sample, Sample)
    return sample.success / WINDOW, sample.failure / WINDOW


def kubectl(plane: Plane, *arguments: str) -> str:
    """What kubectl prints; it must have nothing to complain about."""
    done = plane.kubectl(*arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_the_api_is_available_and_kubectl_knows_its_resources(plane: Plane, server: InstalledServer) -> None:
    assert "True" in kubectl(plane, "get", "apiservice", f"{VERSION}.{GROUP}")
    lines = kubectl(plane, "api-resources", f"--api-group={GROUP}", "--no-headers").splitlines()
    assert [line.split()[0] for line in lines] == [
        "daemonsets", "deployments", "edges", "namespaces", "pods", "services", "statefulsets",
    ]  # fmt: skip
    assert {line.split()[1] for line in lines} == {f"{GROUP}/{VERSION}"}


def test_no_other_resource_of_the_cluster_is_shadowed(plane: Plane, server: InstalledServer) -> None:
    assert kubectl(plane, "get", "deployments", "-n", SHOP, "-o", "name") == (
        "deployment.apps/web\ndeployment.apps/web-canary\n"
    )


def test_a_list_has_what_prometheus_counted(plane: Plane, server: InstalledServer) -> None:
    body = asked(plane, f"/namespaces/{SHOP}/deployments?t={WINDOW}s")
    found = {item["resource"]["name"]: counts(item) for item in body["items"]}
    assert found == {"web": pytest.approx((95, 5), rel=NEARLY), "web-canary": pytest.approx((8, 2), rel=NEARLY)}
    assert {item["window"] for item in body["items"]} == {f"{WINDOW}s"}


def test_the_time_of_the_numbers_is_that_of_their_last_scrape(plane: Plane, server: InstalledServer) -> None:
    before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 5))
    item = asked(plane, f"/namespaces/{SHOP}/deployments/web?t={WINDOW}s")
    assert before < item["timestamp"] <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def test_edges_are_seen_from_both_ends(plane: Plane, server: InstalledServer) -> None:
    (received,) = asked(plane, f"/namespaces/{SHOP}/deployments/web/edges?t={WINDOW}s")["items"]
    assert (received["edge"]["direction"], received["edge"]["resource"]["name"]) == ("from", "checkout")
    assert counts(received) == pytest.approx((76, 4), rel=NEARLY)
    sent = asked(plane, f"/namespaces/{SHOP}/deployments/checkout/edges?t={WINDOW}s")["items"]
    assert [(item["edge"]["direction"], item["edge"]["resource"]["name"]) for item in sent] == [
        ("to", "web"),
        ("to", "web-canary"),
    ]


async def test_the_controller_s_own_source_reads_it(server: InstalledServer, admin: Client) -> None:
    source = SmiSource(admin, clock=SystemClock())
    asked = Asked(SHOP, "Deployment", WINDOW, frozenset({"web"}))
    everybody = (await source.read(asked, timeout=5.0)).readings[series_of("Deployment", SHOP, "web")]
    assert isinstance(everybody, Sample)
    assert everybody.success_rate == pytest.approx(0.95, rel=NEARLY)
    assert everybody.latency == {"p50": 0.01, "p90": 0.04, "p99": 0.15}
    peer = asked._replace(peer=Peer("Deployment", "checkout"))
    one = (await source.read(peer, timeout=5.0)).readings[series_of("Deployment", SHOP, "web")]
    assert isinstance(one, Sample)
    assert one.requests / WINDOW == pytest.approx(80, rel=NEARLY)


def test_kubectl_get_shows_a_table(plane: Plane, server: InstalledServer) -> None:
    header, *rows = kubectl(plane, "get", f"deployments.{GROUP}", "-n", SHOP).splitlines()
    assert header.split() == ["NAME", "SUCCESS", "FAILURE", "P50", "P90", "P99", "WINDOW"]
    assert [row.split()[0] for row in rows] == ["web", "web-canary"]
    assert rows[0].split()[-1] == "30s"
    everywhere = kubectl(plane, "get", f"deployments.{GROUP}", "-A").splitlines()
    assert everywhere[1].split()[:2] == [SHOP, "web"]
    assert "kind: TrafficMetrics" in kubectl(plane, "get", f"deployments.{GROUP}", "web", "-n", SHOP, "-o", "yaml")


def test_a_label_selector_selects_by_the_labels_of_the_deployments(plane: Plane, server: InstalledServer) -> None:
    rows = kubectl(plane, "get", f"deployments.{GROUP}", "-n", SHOP, "-l", "track=canary", "--no-headers").splitlines()
    assert [row.split()[0] for row in rows] == ["web-canary"]
    done = plane.kubectl("get", f"deployments.{GROUP}", "-n", SHOP, "-l", "track in (")
    assert done.returncode != 0
    with pytest.raises(RequestFailed, match="unable to parse requirement") as refused:
        plane.api.json("GET", f"{PREFIX}/namespaces/{SHOP}/deployments?labelSelector=track+in+%28")
    assert refused.value.code == 400


def test_kubectl_explains_the_kind(plane: Plane, server: InstalledServer) -> None:
    # The API server fetches the documents of a new API when it gets round to it.
    deadline = time.monotonic() + 90
    explain = ("explain", "deployments", f"--api-version={GROUP}/{VERSION}")
    while plane.kubectl(*explain).returncode and time.monotonic() < deadline:
        time.sleep(0.5)
    assert "timestamp" in kubectl(plane, *explain)


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        (f"/namespaces/{SHOP}/deployments/nobody", 404, "NotFound"),
        (f"/namespaces/{SHOP}/deployments?t=soon", 400, "BadRequest"),
        (f"/namespaces/{SHOP}/deployments?t=100ms", 400, "BadRequest"),
        (f"/namespaces/{SHOP}/replicasets", 404, "NotFound"),
    ],
)
def test_a_refusal_is_a_status(plane: Plane, server: InstalledServer, path: str, code: int, reason: str) -> None:
    with pytest.raises(RequestFailed) as refused:
        plane.api.json("GET", f"{PREFIX}{path}")
    assert (refused.value.code, json.loads(refused.value.body)["reason"]) == (code, reason)


def test_a_stranger_is_not_answered_whatever_he_says_of_himself(plane: Plane, server: InstalledServer) -> None:
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    headers = {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}
    request = urllib.request.Request(f"https://127.0.0.1:{server.port}{PREFIX}/deployments", headers=headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10, context=unverified)
    with refused.value as answer:
        assert (answer.code, json.loads(answer.read())["reason"]) == (401, "Unauthorized")


def test_the_api_server_s_own_rights_decide_who_reads(plane: Plane, server: InstalledServer, namespace: str) -> None:
    rules = [{"apiGroups": [GROUP], "resources": ["deployments"], "verbs": ["list"]}]
    reader = plane.create_user("reader", namespace, rules, cluster_wide=True)
    listed = plane.kubectl("get", "--raw", f"{PREFIX}/namespaces/{SHOP}/deployments", user=reader.name)
    assert listed.returncode == 0
    edges = plane.kubectl("get", "--raw", f"{PREFIX}/namespaces/{SHOP}/deployments/web/edges", user=reader.name)
    assert "forbidden" in edges.stderr.lower()
    users = {line["user"] for line in server.told("answered")}
    assert reader.name in users


def test_a_hundred_at_once_cost_one_set_of_queries(
    plane: Plane, server: InstalledServer, prometheus: PrometheusServer
) -> None:
    def queries() -> int:
        text = urllib.request.urlopen(f"{prometheus.url}/metrics", timeout=5).read().decode()
        lines = (line for line in text.splitlines() if line.startswith("prometheus_http_requests_total"))
        return sum(int(float(line.split()[-1])) for line in lines if 'handler="/api/v1/query"' in line)

    before = queries()
    with ThreadPoolExecutor(20) as pool:
        bodies = list(pool.map(lambda _: plane.api.text("GET", f"{PREFIX}/namespaces/{SHOP}/pods?t=3600s"), range(100)))
    assert len(set(bodies)) == 1
    assert queries() - before <= 5


def test_a_new_certificate_of_the_chart_is_trusted_before_and_after_it_is_served(
    plane: Plane, server: InstalledServer
) -> None:
    secret = f"/api/v1/namespaces/{server.namespace}/secrets/{NAME}-tls"
    first = server.secret()["data"]
    server.upgrade()
    assert server.secret()["data"] == first
    due = {"metadata": {"annotations": {"canary.delivery/renew-after": "1"}}}
    plane.api.json("PATCH", secret, due, content_type=MERGE)
    server.upgrade()
    assert server.secret()["data"]["tls.crt"] != first["tls.crt"]
    assert asked(plane, f"/namespaces/{SHOP}/deployments")["items"]
    server.mount()
    server.wait_until_told("the serving certificate was renewed")
    # The API server keeps its connection, and would not look at the new certificate before it makes another one.
    assert server.stop() == 0
    server.start()
    assert asked(plane, f"/namespaces/{SHOP}/deployments")["items"]


def test_without_prometheus_the_api_is_available_and_says_503(
    plane: Plane, server: InstalledServer, prometheus: PrometheusServer
) -> None:
    prometheus.stop()
    with pytest.raises(RequestFailed, match="Prometheus cannot be reached") as refused:
        plane.api.json("GET", f"{PREFIX}/namespaces/{SHOP}/deployments?t=77s")
    assert (refused.value.code, json.loads(refused.value.body)["reason"]) == (503, "ServiceUnavailable")
    assert server.available()
    # kubectl asks again, as Retry-After says, and then shows the message.
    done = plane.kubectl("get", "--raw", f"{PREFIX}/namespaces/{SHOP}/deployments?t=78s")
    assert (done.returncode, "Prometheus cannot be reached" in done.stderr) == (1, True)
    refusals = [line for line in server.told("answered") if line["status"] == 503 and line["path"].endswith("t=78s")]
    assert 1 < len(refusals) <= 11


def test_it_ends_well_when_it_is_told_to(server: InstalledServer) -> None:
    assert server.stop() == 0
    assert server.told("failed") == []
    assert server.told("a request failed") == []
