"""Managed mode on the real control plane: a Deployment that runs under load is taken over without a failed request."""

from __future__ import annotations

import json
import time

import pytest

from e2e.controller import ControllerProcess
from e2e.managed import manifests
from e2e.managed.manifests import LABELS, STABLE, STABLE_LABELS
from e2e.managed.scene import ManagedScene
from e2e.managed.shop import AUTOSCALERS, BUDGETS, ManagedShop
from e2e.shop import CANARIES, NAME, SERVICES

FLUX = {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}


def test_an_autoscaled_deployment_is_taken_over_without_a_failed_request(mesh: ManagedScene) -> None:
    """One of a fixed size is taken over in every test of a rollout."""
    mesh.open_managed(replicas=None, others=(manifests.autoscaler(minimum=2), manifests.budget()))
    with mesh.calling() as load:
        mesh.shop.onboard()
        mesh.no_request_failed(load)
    assert mesh.shop.selector() == STABLE_LABELS
    assert mesh.shop.pods_ready(STABLE) == 2
    assert mesh.shop.get(AUTOSCALERS, STABLE) is not None
    assert mesh.shop.get(BUDGETS, STABLE) is not None


def test_a_root_that_is_absent_is_made_and_serves_at_once(mesh: ManagedScene) -> None:
    mesh.open_managed(root=False, replicas=None)
    mesh.shop.onboard(service={"name": NAME, "ports": [{"name": "http", "port": 80}]})
    mesh.open_proxy(1)
    with mesh.calling() as load:
        mesh.no_request_failed(load)
    assert mesh.shop.selector() == STABLE_LABELS


def test_a_root_under_gitops_is_left_alone_by_never_and_if_free_and_taken_by_force(mesh: ManagedScene) -> None:
    shop = mesh.shop
    mesh.open_managed(root=False)
    tracked = manifests.root(labels=FLUX)
    shop.apply(tracked, manager="kustomize-controller")
    mesh.open_proxy(2)
    with mesh.calling() as load:
        shop.manage(service={"name": NAME, "adopt": "Never"})
        shop.start()
        shop.until(lambda: "adopt is Never" in shop.message(), "words about Never")
        shop.patch_spec({"service": {"name": NAME, "adopt": "IfFree"}})
        shop.until(lambda: "is managed by" in shop.message(), "words about who manages it")
        assert shop.condition("Stalled") == ("True", "ServiceManagedElsewhere")
        assert shop.selector() == LABELS
        assert shop.replicas(NAME) == 2
        shop.patch_spec({"service": {"name": NAME, "adopt": "Force"}})
        shop.until(lambda: shop.selector() == STABLE_LABELS, "the root on stable")
        # The tool puts its selector back, again and again: the candidate must still be there for those moments.
        for _ in range(3):
            shop.apply(tracked, manager="kustomize-controller")
            shop.until(lambda: shop.selector() == STABLE_LABELS, "a repaired root")
        mesh.no_request_failed(load)
    assert shop.replicas(NAME) > 0


def test_a_controller_that_is_killed_at_every_step_goes_on_where_it_stood(mesh: ManagedScene) -> None:
    """A step is a write of the controller: the process dies when the first, the second, … of its kind is stored."""
    shop = mesh.shop
    mesh.open_managed(others=(manifests.autoscaler(minimum=2), manifests.budget()), replicas=None)
    with mesh.calling() as load:
        shop.manage()
        controller, kills = shop.start(), 0
        deadline = time.monotonic() + 60
        while not (shop.phase() == "Idle" and shop.replicas(NAME) == 0):
            assert time.monotonic() < deadline, shop.message()
            kills += _killed_at_the_next_write(shop, controller)
        mesh.no_request_failed(load)
    print(f"{kills} kills")
    assert kills >= 4


def _killed_at_the_next_write(shop: ManagedShop, controller: ControllerProcess) -> int:
    """Kills the controller as soon as it has written anything, and starts it again; whether it had."""
    mark = len(_written(shop))
    deadline = time.monotonic() + 6
    while len(_written(shop)) == mark:
        if time.monotonic() > deadline:
            return 0
        time.sleep(0.02)
    controller.kill()
    controller.start()
    return 1


def _written(shop: ManagedShop) -> list[int]:
    """The controller's writes that change anything but a status."""
    return [c.revision for c in shop.commits() if c.manager == "canary-controller" and c.subresource != "status"]


def test_what_selects_the_pods_and_would_miss_the_copy_is_listed_by_name(managed: ManagedShop) -> None:
    managed.open()
    metadata = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "direct"}}
    managed.create(SERVICES, metadata | {"spec": {"selector": LABELS, "ports": [{"port": 80}]}})
    policy = {"podSelector": {"matchLabels": LABELS}, "ingress": [{}]}
    policies = "/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "fence"}}
    managed.create(policies, kind | {"spec": policy})
    managed.manage()
    managed.start()
    managed.until(lambda: managed.condition("Stalled") == ("True", "SelectorConflict"), "Stalled")
    listed = managed.message().partition(" would miss")[0]
    assert set(listed.split(", ")) == {"Service/direct", "NetworkPolicy/fence"}
    assert managed.ours() == []
    managed.annotate(acknowledge=listed)
    managed.until_idle()


@pytest.mark.parametrize("kind", ["DaemonSet", "StatefulSet"])
def test_other_kinds_are_refused_with_words(managed: ManagedShop, kind: str) -> None:
    spec = manifests.canary(targetRef={"apiVersion": "apps/v1", "kind": kind, "name": NAME})
    done = managed.plane.kubectl("--namespace", managed.namespace, "create", "-f", "-", stdin=json.dumps(spec))
    assert done.returncode != 0
    assert kind in done.stderr
    assert "not supported" in done.stderr
    assert managed.get(CANARIES) is None
