"""The control plane itself does what the other tests rely on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from canary.kube.client import Client
from canary.kube.errors import ApiError, Forbidden
from canary.kube.resources import DEPLOYMENTS, ENDPOINT_SLICES, PODS, SERVICES, Resource
from e2e.conftest import client_for
from e2e.plane import Plane
from e2e.plane.access import load_rules
from e2e.plane.audit import count_by_resource
from e2e.plane.build import kubernetes_version
from e2e.pod_status import BEHAVIOUR, READY_AFTER
from e2e.smi_endpoint import Failure, SmiEndpoint
from e2e.smi_wire import PREFIX, Numbers

SPLITS = Resource("split.smi-spec.io", "v1alpha4", "trafficsplits", "TrafficSplit")


async def eventually(check: Callable[[], Awaitable[Any]], timeout: float = 20.0) -> Any:
    """The first true answer of `check`, asked until `timeout` seconds are over."""
    deadline = time.monotonic() + timeout
    while not (answer := await check()):
        assert time.monotonic() < deadline, f"still {answer!r} after {timeout} s"
        await asyncio.sleep(0.05)
    return answer


def deployment(name: str = "web", replicas: int = 2, **annotations: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def service(name: str = "web") -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


async def ready_addresses(client: Client, namespace: str, name: str = "web") -> set[str]:
    slices = await client.list(ENDPOINT_SLICES, namespace, label_selector=f"kubernetes.io/service-name={name}")
    endpoints = [endpoint for one in slices.items for endpoint in one.get("endpoints") or ()]
    return {a for e in endpoints if e["conditions"]["ready"] for a in e["addresses"]}


async def has_ready(client: Client, namespace: str, count: int) -> bool:
    return len(await ready_addresses(client, namespace)) == count


def test_kubectl_reads_the_pinned_version(plane: Plane) -> None:
    done = plane.kubectl("version", "-o", "json")
    assert done.returncode == 0, done.stderr
    server = json.loads(done.stdout)["serverVersion"]
    assert server["gitVersion"] == kubernetes_version()
    assert (server["major"], server["minor"]) == ("1", "36")


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"])
async def test_a_traffic_split_is_served_in_every_version(
    plane: Plane, admin: Client, namespace: str, version: str
) -> None:
    resource = Resource("split.smi-spec.io", version, "trafficsplits", "TrafficSplit")
    backends = [{"service": "a", "weight": 5}, {"service": "b", "weight": 95}]
    split = {
        "apiVersion": resource.api_version,
        "kind": "TrafficSplit",
        "metadata": {"name": "web"},
        "spec": {"service": "web", "backends": backends},
    }
    await admin.create(resource, split, namespace)
    read = await admin.get(SPLITS, "web", namespace)
    assert read["spec"]["backends"] == backends


async def test_a_deployment_gets_ready_endpoints_and_loses_them_when_scaled(admin: Client, namespace: str) -> None:
    await admin.create(SERVICES, service(), namespace)
    await admin.create(DEPLOYMENTS, deployment(replicas=3), namespace)
    await eventually(lambda: has_ready(admin, namespace, 3))
    addresses = await ready_addresses(admin, namespace)
    assert all(address.startswith("10.") for address in addresses)
    await admin.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 1}}, namespace)
    await eventually(lambda: has_ready(admin, namespace, 1))


async def test_a_deleted_deployment_takes_its_pods_along(admin: Client, namespace: str) -> None:
    await admin.create(DEPLOYMENTS, deployment(), namespace)
    await eventually(lambda: running(admin, namespace, 2))
    await admin.delete(DEPLOYMENTS, "web", namespace, propagation="Foreground")
    await eventually(lambda: running(admin, namespace, 0))


async def running(client: Client, namespace: str, count: int) -> bool:
    pods = (await client.list(PODS, namespace)).items
    return len(pods) == count and all(pod["status"]["phase"] == "Running" for pod in pods)


async def test_an_unready_pod_is_no_endpoint_until_its_annotation_changes(admin: Client, namespace: str) -> None:
    await admin.create(SERVICES, service(), namespace)
    await admin.create(DEPLOYMENTS, deployment(replicas=1, **{BEHAVIOUR: "unready"}), namespace)
    await eventually(lambda: running(admin, namespace, 1))
    assert await ready_addresses(admin, namespace) == set()
    pod = (await admin.list(PODS, namespace)).items[0]["metadata"]["name"]
    await admin.patch(PODS, pod, {"metadata": {"annotations": {BEHAVIOUR: "ready"}}}, namespace)
    await eventually(lambda: has_ready(admin, namespace, 1))


async def test_a_crash_looping_pod_comes_and_goes_and_counts_its_restarts(admin: Client, namespace: str) -> None:
    await admin.create(SERVICES, service(), namespace)
    await admin.create(DEPLOYMENTS, deployment(replicas=1, **{BEHAVIOUR: "crash-loop"}), namespace)

    async def restarted() -> bool:
        containers = [
            c for pod in (await admin.list(PODS, namespace)).items for c in pod["status"]["containerStatuses"]
        ]
        return any(c["restartCount"] >= 2 and c["state"].get("waiting") for c in containers)

    await eventually(lambda: has_ready(admin, namespace, 1))
    await eventually(lambda: has_ready(admin, namespace, 0))
    await eventually(restarted)


async def test_a_pod_gets_ready_only_after_the_time_it_asks_for(admin: Client, namespace: str) -> None:
    await admin.create(SERVICES, service(), namespace)
    await admin.create(DEPLOYMENTS, deployment(replicas=1, **{READY_AFTER: "1.5"}), namespace)
    await eventually(lambda: running(admin, namespace, 1))
    began = time.monotonic()
    await eventually(lambda: has_ready(admin, namespace, 1))
    assert time.monotonic() - began > 1.0


async def test_the_smi_api_answers_through_the_api_server(
    plane: Plane, smi: SmiEndpoint, admin: Client, namespace: str
) -> None:
    smi.set(namespace, "web", Numbers(rate=10, errors=0.25, p99=296.875))
    body = json.loads((await admin.fetch(f"{PREFIX}/namespaces/{namespace}/deployments", query={"t": "1m0s"})).body)
    (item,) = body["items"]
    values = {metric["name"]: metric["value"] for metric in item["metrics"]}
    assert (item["resource"]["name"], item["window"]) == ("web", "1m0s")
    assert (values["success_count"], values["failure_count"]) == ("450", "150")
    assert values["p99_response_latency"] == "296875m"
    (asked,) = smi.asked(namespace)
    assert (asked.user, asked.window) == ("admin", "1m0s")
    assert "system:masters" in asked.groups


async def test_the_smi_api_lists_null_for_a_namespace_without_traffic(
    smi: SmiEndpoint, admin: Client, namespace: str
) -> None:
    body = json.loads((await admin.fetch(f"{PREFIX}/namespaces/{namespace}/pods")).body)
    assert body["items"] is None


@pytest.mark.parametrize(("failure", "code"), [(Failure.ERROR, 500), (Failure.UNAVAILABLE, 503)])
async def test_the_smi_api_fails_with_a_status(
    smi: SmiEndpoint, admin: Client, namespace: str, failure: Failure, code: int
) -> None:
    smi.fail(namespace, failure)
    with pytest.raises(ApiError) as caught:
        await admin.fetch(f"{PREFIX}/namespaces/{namespace}/deployments")
    assert caught.value.code == code


@pytest.mark.parametrize(("failure", "start"), [(Failure.HTML, b"<html>"), (Failure.TRUNCATED, b'{"kind"')])
async def test_the_smi_api_answers_what_is_no_list(
    smi: SmiEndpoint, admin: Client, namespace: str, failure: Failure, start: bytes
) -> None:
    smi.fail(namespace, failure)
    assert (await admin.fetch(f"{PREFIX}/namespaces/{namespace}/deployments")).body.startswith(start)


async def test_the_smi_api_hangs(smi: SmiEndpoint, admin: Client, namespace: str) -> None:
    smi.fail(namespace, Failure.HANG)
    with pytest.raises(Exception, match="no answer"):
        await admin.fetch(f"{PREFIX}/namespaces/{namespace}/deployments", timeout=1.0)


def test_the_smi_server_refuses_who_does_not_come_through_the_api_server(plane: Plane, smi: SmiEndpoint) -> None:
    url = f"https://localhost:{smi.port}{PREFIX}"
    curl = ["curl", "--silent", "--cacert", str(plane.ca), "--write-out", "%{http_code}", "--output", "/dev/null", url]
    assert subprocess.run(curl, capture_output=True, text=True, timeout=10).stdout == "401"


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_everything_is_still_there_after_a_restart_of_the_api_server(
    plane: Plane, admin: Client, namespace: str, kill: bool
) -> None:
    await admin.create(SERVICES, service(), namespace)
    await admin.create(DEPLOYMENTS, deployment(), namespace)
    await eventually(lambda: has_ready(admin, namespace, 2))
    await asyncio.to_thread(plane.restart_apiserver, kill=kill)
    await eventually(lambda: has_ready(admin, namespace, 2))
    await admin.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 3}}, namespace)
    await eventually(lambda: has_ready(admin, namespace, 3), timeout=60)


async def test_the_audit_log_counts_the_requests_of_a_user_agent(plane: Plane, namespace: str) -> None:
    client = client_for(plane, plane.user("admin"), user_agent="counted/1")
    mark = plane.audit.mark()
    try:
        for _ in range(3):
            await client.list(PODS, namespace)
        await client.create(SERVICES, service(), namespace)
    finally:
        await client.close()
    events = plane.audit.since(mark, user_agent="counted/1", namespace=namespace)
    assert count_by_resource(events) == {("list", "pods"): 3, ("create", "services"): 1}


async def test_the_audit_log_holds_every_commit_to_a_split_in_order(
    plane: Plane, admin: Client, namespace: str
) -> None:
    def split(weight: int) -> dict[str, Any]:
        return {
            "apiVersion": SPLITS.api_version,
            "kind": "TrafficSplit",
            "metadata": {"name": "web"},
            "spec": {"service": "web", "backends": [{"service": "a", "weight": weight}]},
        }

    await admin.create(SPLITS, split(0), namespace)
    for weight in (5, 5, 10):
        await admin.patch(SPLITS, "web", split(weight), namespace)
    commits = plane.audit.commits("split.smi-spec.io", namespace)
    assert [commit.response["spec"]["backends"][0]["weight"] for commit in commits] == [0, 5, 10]
    assert [commit.verb for commit in commits] == ["create", "patch", "patch"]


async def test_a_user_has_only_the_rights_of_its_role(plane: Plane, namespace: str, tmp_path: Path) -> None:
    role = tmp_path / "role.yaml"
    role.write_text(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: x}\n"
        "rules:\n- {apiGroups: [''], resources: [services], verbs: [get, list]}\n"
    )
    user = plane.create_user("reader", namespace, load_rules(role))
    client = client_for(plane, user)
    try:
        assert (await client.list(SERVICES, namespace)).items == ()
        with pytest.raises(Forbidden, match="reader"):
            await client.list(PODS, namespace)
        with pytest.raises(Forbidden):
            await client.list(SERVICES)
    finally:
        await client.close()
    done = plane.kubectl("auth", "can-i", "list", "services", "-n", namespace, user=user.name)
    assert done.stdout.strip() == "yes"


async def test_a_user_with_cluster_wide_rights_reads_every_namespace(plane: Plane, namespace: str) -> None:
    rules = [{"apiGroups": [""], "resources": ["services"], "verbs": ["list"]}]
    client = client_for(plane, plane.create_user("reader", namespace, rules, cluster_wide=True))
    try:
        assert len((await client.list(SERVICES)).items) >= 1
    finally:
        await client.close()
