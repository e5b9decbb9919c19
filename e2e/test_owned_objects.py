"""What managed mode makes out of a user's objects, on a real API server: it is accepted, it is stored as it was meant,
and its pods are those of one side.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from canary.api.names import CANARY_LABEL
from canary.kube.resources import DEPLOYMENTS, ENDPOINT_SLICES, PODS, SERVICES, Resource
from canary.workload.autoscaling import autoscaler_of, stable_autoscaler, stable_budget
from canary.workload.drift import missing_from
from canary.workload.ownership import Mark, Ours, ownership
from canary.workload.services import (
    backend_services,
    managed_elsewhere,
    original_selector,
    pointed_root,
    root_service,
    side_selectors,
)
from canary.workload.stable import side_label, stable_deployment, stable_selector
from e2e.plane import Plane

JSON = dict[str, Any]

AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
RESOURCES = {one.kind: one for one in (DEPLOYMENTS, SERVICES, AUTOSCALERS, BUDGETS)}
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
NAME = "podinfo"
LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": "shop"}
TIMEOUT = 30.0


def target() -> JSON:
    """A Deployment with everything that the server defaults, or writes its own way."""
    selector = {"matchLabels": LABELS}
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}
    container = {
        "name": "web",
        "image": "podinfo:1",
        "ports": [{"name": "http", "containerPort": 9898}],
        "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}},
        "readinessProbe": {"httpGet": {"port": "http"}, "initialDelaySeconds": 0},
        "tty": False,
        "env": [
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}},
            {"name": "EMPTY", "value": ""},
        ],
        "volumeMounts": [
            {"name": "config", "mountPath": "/config"},
            {"name": "scratch", "mountPath": "/tmp", "readOnly": False},
        ],
    }
    preferred = {"weight": 1, "podAffinityTerm": apart}
    spec = {
        "hostNetwork": False,
        "automountServiceAccountToken": False,
        "nodeSelector": {},
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": "podinfo", "optional": True}},
            {"name": "scratch", "emptyDir": {}},
        ],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}},
        "topologySpreadConstraints": [{"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", **apart}],
    }
    template = {"metadata": {"labels": LABELS, "annotations": {"deployed": "1"}}, "spec": spec}
    return obj("Deployment", {"replicas": 2, "minReadySeconds": 0, "selector": selector, "template": template})


def autoscaler() -> JSON:
    service = {"apiVersion": "v1", "kind": "Service", "name": NAME}
    rps = {"name": "requests_per_second", "selector": {"matchLabels": {"verb": "GET"}}}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    metrics = [
        {"type": "Resource", "resource": cpu},
        {"type": "ContainerResource", "containerResource": cpu | {"container": "web"}},
        {
            "type": "Object",
            "object": {"describedObject": service, "metric": rps, "target": {"type": "Value", "value": "2000m"}},
        },
        {"type": "Pods", "pods": {"metric": rps, "target": {"type": "AverageValue", "averageValue": "1000m"}}},
    ]
    behavior = {"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}
    return obj(
        "HorizontalPodAutoscaler",
        {"scaleTargetRef": reference, "maxReplicas": 5, "metrics": metrics, "behavior": behavior},
    )


def obj(kind: str, spec: JSON, name: str = NAME) -> JSON:
    return {"apiVersion": RESOURCES[kind].api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


class Cluster:
    """One namespace of the plane."""

    def __init__(self, plane: Plane, namespace: str) -> None:
        self._api = plane.api
        self.namespace = namespace
        self.mark = Mark(namespace, NAME, "uid-1")

    def create(self, one: JSON) -> JSON:
        """What the server stored, as a GET gives it."""
        resource = RESOURCES[one["kind"]]
        self._api.json("POST", f"{resource.path(self.namespace)}?fieldValidation=Strict", one)
        return self.get(one)

    def get(self, one: JSON) -> JSON:
        found: JSON = self._api.json("GET", self._path(one))
        return found

    def patch(self, one: JSON, patch: JSON) -> JSON:
        found: JSON = self._api.json("PATCH", self._path(one), patch, content_type=MERGE)
        return found

    def put(self, one: JSON) -> JSON:
        found: JSON = self._api.json("PUT", self._path(one), one)
        return found

    def apply(self, one: JSON, manager: str) -> JSON:
        path = f"{self._path(one)}?fieldManager={manager}&force=true"
        found: JSON = self._api.json("PATCH", path, one, content_type=APPLY)
        return found

    def items(self, resource: Resource, selector: str = "") -> list[JSON]:
        found: list[JSON] = self._api.json("GET", f"{resource.path(self.namespace)}?labelSelector={selector}")["items"]
        return found

    def addresses(self, service: str) -> set[str]:
        """Of the ready endpoints of a Service, found by our own label."""
        slices = self.items(ENDPOINT_SLICES, f"{CANARY_LABEL}={NAME},kubernetes.io/service-name={service}")
        found = [end for piece in slices for end in piece.get("endpoints") or () if end["conditions"]["ready"]]
        return {address for end in found for address in end["addresses"]}

    def pods(self, name: str) -> set[str]:
        pods = self.items(PODS, f"app.kubernetes.io/name={name}")
        return {pod["status"]["podIP"] for pod in pods if pod["status"].get("podIP")}

    def _path(self, one: JSON) -> str:
        return RESOURCES[one["kind"]].path(self.namespace, one["metadata"]["name"])


@pytest.fixture
def cluster(plane: Plane, namespace: str) -> Cluster:
    return Cluster(plane, namespace)


def eventually(reached: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not reached():
        assert time.monotonic() < deadline, f"no {what} after {TIMEOUT:g} s"
        time.sleep(0.1)


def budget() -> JSON:
    return obj("PodDisruptionBudget", {"minAvailable": 1, "selector": {"matchLabels": LABELS}})


def owned(cluster: Cluster, owner: JSON, hpa: JSON, guard: JSON) -> list[JSON]:
    """Everything that is made for a target, with a root Service of our own."""
    label, mark = side_label(owner), cluster.mark
    stable_labels, labels = side_selectors(owner, label)
    ports = [{"name": "http", "port": 80, "targetPort": "http"}, {"name": "grpc", "port": 9000, "appProtocol": "grpc"}]
    root = root_service(NAME, ports, owner, label=label, mark=mark)
    found = autoscaler_of([hpa], owner)
    copied = stable_budget(
        guard, candidate=labels, stable=stable_labels, selector=stable_selector(owner, label), mark=mark
    )
    assert found is not None
    assert copied is not None
    template = owner["spec"]["template"]
    return [
        stable_deployment(owner, template, label=label, replicas=3, mark=mark, revision="v1-abc", seq=1),
        root,
        *backend_services(root, (), owner, label=label, name=NAME, mark=mark),
        stable_autoscaler(found, target_stable=f"{NAME}-stable", mark=mark, floor=3),
        copied,
    ]


@pytest.mark.parametrize("read_back", [True, False], ids=["from the server", "as written"])
def test_what_is_made_is_stored_as_it_was_meant(cluster: Cluster, read_back: bool) -> None:
    users = [target(), autoscaler(), budget()]
    stored = [cluster.create(one) for one in users]
    for wanted in owned(cluster, *(stored if read_back else users)):
        live = cluster.create(wanted)
        assert missing_from(wanted, live) is None, wanted["metadata"]["name"]
        assert ownership(live, cluster.mark, ()) == Ours()


def test_drift_is_repaired_by_one_patch_that_lasts(cluster: Cluster) -> None:
    stored = [cluster.create(one) for one in (target(), autoscaler(), budget())]
    edits: dict[str, JSON] = {
        "Deployment": {"spec": {"template": {"spec": {"containers": None, "terminationGracePeriodSeconds": 1}}}},
        "Service": {"spec": {"selector": {"app": "x"}, "ports": [{"port": 1234, "name": "x"}]}},
        "HorizontalPodAutoscaler": {"spec": {"minReplicas": 1, "metrics": None}, "metadata": {"labels": None}},
        "PodDisruptionBudget": {"spec": {"selector": {"matchLabels": {"x": "y"}}, "minAvailable": 2}},
    }
    edits["Deployment"]["spec"]["template"]["spec"]["containers"] = [{"name": "web", "image": "other"}]
    for wanted in owned(cluster, *stored):
        cluster.create(wanted)
        patch = missing_from(wanted, cluster.patch(wanted, edits[wanted["kind"]]))
        assert patch is not None
        assert missing_from(wanted, cluster.patch(wanted, patch)) is None, wanted["metadata"]["name"]


def test_what_somebody_set_on_the_stable_deployment_is_taken_out(cluster: Cluster) -> None:
    owner, hpa, guard = (cluster.create(one) for one in (target(), autoscaler(), budget()))
    wanted = owned(cluster, owner, hpa, guard)[0]
    cluster.create(wanted)
    kept = wanted["spec"]["template"]["spec"]["containers"][0]
    spec = {"tolerations": [{"operator": "Exists"}], "containers": [kept | {"args": ["--debug"]}]}
    patch = missing_from(wanted, cluster.patch(wanted, {"spec": {"template": {"spec": spec}}}))
    assert patch is not None
    repaired = cluster.patch(wanted, patch)
    assert missing_from(wanted, repaired) is None
    assert "tolerations" not in repaired["spec"]["template"]["spec"]
    assert "args" not in repaired["spec"]["template"]["spec"]["containers"][0]


def test_each_backend_has_the_pods_of_its_own_side(cluster: Cluster) -> None:
    stored = [cluster.create(one) for one in (target(), autoscaler(), budget())]
    for wanted in owned(cluster, *stored):
        cluster.create(wanted)
    expected = {f"{NAME}-stable": 3, f"{NAME}-canary": 2, NAME: 3}
    # Slices of one Service fill up in their own time.
    eventually(lambda: all(len(cluster.addresses(one)) == count for one, count in expected.items()), "endpoints")
    assert cluster.addresses(f"{NAME}-stable") == cluster.pods(f"{NAME}-stable")
    assert cluster.addresses(f"{NAME}-canary") == cluster.pods(NAME)
    assert cluster.addresses(NAME) == cluster.pods(f"{NAME}-stable")


def test_an_existing_root_is_pointed_at_stable_and_back(cluster: Cluster) -> None:
    owner = cluster.create(target())
    root = cluster.create(obj("Service", {"selector": LABELS, "ports": [{"port": 80, "targetPort": "http"}]}))
    stable, _ = side_selectors(owner, side_label(owner))
    for backend in backend_services(root, (), owner, label=side_label(owner), name=NAME, mark=cluster.mark):
        assert missing_from(backend, cluster.create(backend)) is None
    pointed = cluster.put(pointed_root(root, stable))
    assert pointed["spec"] == root["spec"] | {"selector": stable}
    assert original_selector(pointed) == LABELS
    back = cluster.put(pointed_root(pointed, LABELS))
    assert (back["spec"], original_selector(back)) == (root["spec"], LABELS)


def test_who_applies_the_selector_manages_the_root(cluster: Cluster) -> None:
    root = obj("Service", {"selector": LABELS, "ports": [{"port": 80}]})
    assert managed_elsewhere(cluster.apply(root, "canary-controller")) == ""
    ports = obj("Service", {"ports": [{"port": 80}]})
    assert managed_elsewhere(cluster.apply(ports, "port-keeper")) == ""
    applied = cluster.apply(root, "kustomize-controller")
    assert managed_elsewhere(applied) == "field manager kustomize-controller, by server-side apply"
