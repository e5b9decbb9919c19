"""Managed mode on the real control plane: a Canary that is deleted takes no request with it, in whatever phase.

Traffic ends on the user's own Deployment, with the release that was promoted, and nothing of ours is left.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from e2e.dataplane.behaviour import Behaviour
from e2e.managed import manifests
from e2e.managed.manifests import CANARY, LABELS, STABLE, STABLE_LABELS
from e2e.managed.scene import ManagedScene
from e2e.managed.shop import AUTOSCALERS, ManagedShop
from e2e.shop import CANARIES, DEPLOYMENTS, NAME, SERVICES, SPLITS, has_finalizer

PROFILES = "/apis/linkerd.io/v1alpha2/namespaces/{namespace}/serviceprofiles"
PROFILES_CRD = Path(__file__).parent / "manifests" / "serviceprofiles.yaml"
LONG: dict[str, Any] = {"steps": [{"weight": 20, "hold": "2m"}]}
SHORT: dict[str, Any] = {"steps": [{"weight": 20, "hold": "1s"}]}


def idle(mesh: ManagedScene) -> None:
    mesh.shop.onboard()


def progressing(mesh: ManagedScene) -> None:
    mesh.shop.onboard(**LONG)
    mesh.push("2")
    mesh.shop.until_weight(20, timeout=40)


def promoting(mesh: ManagedScene) -> None:
    """Stable's new Pods do not get ready."""
    mesh.behave("2", Behaviour(unready_pods=STABLE))
    mesh.shop.onboard(**SHORT)
    mesh.push("2")
    mesh.shop.until_phase("Promoting", timeout=40)


def rolled_back(mesh: ManagedScene) -> None:
    """Somebody has rejected a release that works: if it got traffic again, nothing would stop it."""
    progressing(mesh)
    mesh.shop.annotate(abort="@1")
    mesh.shop.until_told("RolledBack")


@pytest.mark.parametrize(
    ("phase", "cascade"),
    [(idle, "Background"), (progressing, "Foreground"), (promoting, "Orphan"), (rolled_back, "Foreground")],
    ids=["idle, background", "progressing, foreground", "promoting, orphan", "rolled back, foreground"],
)
def test_a_canary_that_is_deleted_loses_no_request(mesh: ManagedScene, phase: Any, cascade: str) -> None:
    mesh.open_managed()
    mesh.measure()
    with mesh.calling() as load:
        phase(mesh)
        # A rejected release gets nothing from here on, another one until its weight is taken.
        mark = time.monotonic()
        mesh.shop.leave(cascade)
        if phase is not rolled_back:
            mark = time.monotonic()
        requests = mesh.no_request_failed(load)
    assert {request.version for request in requests if request.due > mark} == {"1"}
    assert_gone(mesh.shop)
    assert mesh.shop.pods_ready(NAME) == 2
    assert ("TemplateRestored" in mesh.shop.reasons()) == (phase is not idle)


def assert_gone(shop: ManagedShop) -> None:
    """The user has what was there before, and nothing else."""
    assert shop.ours() == []
    assert shop.get(DEPLOYMENTS, STABLE) is None
    assert shop.get(SPLITS) is None
    assert [shop.get(SERVICES, name) for name in (STABLE, CANARY)] == [None, None]
    assert shop.selector() == LABELS
    assert shop.image(NAME) == "web:1"


def test_a_canary_that_is_deleted_while_no_controller_runs_goes_when_one_comes(mesh: ManagedScene) -> None:
    mesh.open_managed()
    mesh.measure()
    with mesh.calling() as load:
        progressing(mesh)
        (controller,) = mesh.shop.controllers
        controller.kill()
        mesh.shop.delete(CANARIES, NAME)
        mesh.more_requests(load)
        assert (mesh.shop.selector(), mesh.shop.weight()) == (STABLE_LABELS, 20)
        controller.start()
        mesh.shop.until_gone()
        mesh.no_request_failed(load)
    assert_gone(mesh.shop)


def test_without_its_target_the_stable_copy_goes_on_serving_without_our_marks(mesh: ManagedScene) -> None:
    mesh.open_managed()
    with mesh.calling() as load:
        idle(mesh)
        mesh.shop.delete(DEPLOYMENTS, NAME)
        mesh.shop.until(lambda: mesh.shop.deployment(NAME) is None, "end of the target")
        mesh.shop.leave()
        mesh.no_request_failed(load)
    assert mesh.shop.ours() == []
    assert mesh.shop.pods_ready(STABLE) == 2
    assert mesh.shop.selector() == STABLE_LABELS


def test_a_finalizer_that_was_stripped_leaves_traffic_where_it_is_and_a_new_canary_finds_all(
    mesh: ManagedScene,
) -> None:
    mesh.open_managed()
    with mesh.calling() as load:
        idle(mesh)
        # What a killed controller has not told, nobody tells of a Canary that is gone.
        mesh.shop.until(lambda: "Initialized" in mesh.shop.reasons(), "that it is told")
        (controller,) = mesh.shop.controllers
        controller.kill()
        mesh.shop.delete(CANARIES, NAME)
        mesh.shop.patch(CANARIES, NAME, {"metadata": {"finalizers": None}})
        mesh.shop.until_gone()
        controller.start()
        mesh.more_requests(load)
        assert mesh.shop.selector() == STABLE_LABELS
        mesh.shop.manage()
        mesh.shop.until_told("Idle")
        mesh.no_request_failed(load)
    assert mesh.shop.pods_ready(STABLE) == 2
    assert mesh.shop.replicas(NAME) == 0


def test_in_a_namespace_that_ends_only_the_finalizer_is_taken_off(managed: ManagedShop) -> None:
    """The controller's rights are those of a ClusterRole: a Role would go with the namespace."""
    home = managed.plane.api.json("POST", "/api/v1/namespaces", {"metadata": {"generateName": "canary-system-"}})
    managed.install(everywhere=home["metadata"]["name"])
    managed.loses_pods = True
    managed.open()
    managed.onboard()
    assert has_finalizer(managed.object("canaries"))
    mark = managed.plane.audit.mark()
    managed.delete_namespace()
    managed.until_gone()
    verbs = ("create", "update", "patch", "delete")
    ours = [e for e in managed.requests(mark) if e.namespace == managed.namespace]
    writes = [e for e in ours if e.verb in verbs and e.code < 300]
    assert {(e.verb, e.resource) for e in writes} <= {("patch", "canaries"), ("create", "events")}


def test_a_backend_that_a_mesh_still_names_stays_without_our_marks(managed: ManagedShop) -> None:
    managed.plane.apply_crd(PROFILES_CRD)
    managed.open(others=(manifests.autoscaler(),))
    managed.onboard()
    name = f"{STABLE}.{managed.namespace}.svc.cluster.local"
    profile = {"apiVersion": "linkerd.io/v1alpha2", "kind": "ServiceProfile", "metadata": {"name": name}, "spec": {}}
    managed.create(PROFILES, profile)
    managed.leave()
    assert managed.ours() == []
    assert managed.selector(STABLE) == LABELS
    assert managed.get(SERVICES, CANARY) is None
    assert managed.get(AUTOSCALERS, STABLE) is None
