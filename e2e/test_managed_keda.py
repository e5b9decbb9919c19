"""Managed mode beside KEDA on the real control plane: its operator is played, with a trigger that is always active."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.managed.keda import PAUSED, SCALED_OBJECTS, Keda, autoscaler_name, scaled_object
from e2e.managed.manifests import STABLE
from e2e.managed.scene import ManagedScene
from e2e.managed.shop import AUTOSCALERS, ManagedShop
from e2e.plane import Plane
from e2e.shop import NAME

CRD = Path(__file__).parent / "manifests" / "scaledobjects.yaml"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def installed(canaries: Plane) -> Iterator[None]:
    """KEDA's definition is there for this test alone: everybody else's controllers would watch it."""
    canaries.apply_crd(CRD)
    yield
    uninstall(canaries)


def uninstall(plane: Plane) -> None:
    plane.api.json("DELETE", f"{CRDS}/scaledobjects.keda.sh")


def held(shop: ManagedShop) -> str | None:
    """How many replicas KEDA is told to hold the user's Deployment at."""
    annotations: dict[str, str] = (shop.get(SCALED_OBJECTS, NAME) or {})["metadata"].get("annotations") or {}
    return annotations.get(PAUSED)


def at_rest(shop: ManagedShop) -> bool:
    return held(shop) == "0" and shop.replicas(NAME) == 0


def bounds(shop: ManagedShop) -> tuple[int, int] | None:
    """Those of the copy."""
    found = shop.get(SCALED_OBJECTS, STABLE)
    return None if found is None else (found["spec"]["minReplicaCount"], found["spec"]["maxReplicaCount"])


@pytest.mark.usefixtures("installed")
def test_a_deployment_that_keda_scales_is_rolled_out_and_rests_between_rollouts(mesh: ManagedScene) -> None:
    shop = mesh.shop
    mesh.open_managed()
    shop.create(SCALED_OBJECTS, scaled_object(2, 4))
    mesh.measure()
    with Keda(shop) as keda, mesh.calling() as load:
        shop.onboard()
        shop.until(lambda: at_rest(shop), "rest")
        assert bounds(shop) == (2, 4)
        started = keda.started
        keda.until_looked()
        assert (shop.replicas(NAME), keda.started) == (0, started)

        mesh.push("2")
        shop.until_weight(20)
        assert held(shop) is None
        shop.patch(SCALED_OBJECTS, NAME, {"spec": {"maxReplicaCount": 6}})
        shop.until_told("Promoted", timeout=60)
        shop.until(lambda: at_rest(shop), "rest")
        assert bounds(shop) == (2, 6)

        # What KEDA has made is nobody's but KEDA's.
        assert shop.get(AUTOSCALERS, autoscaler_name(STABLE)) is not None
        assert not [name for name in shop.ours() if name.startswith("horizontalpodautoscalers/")]

        shop.leave()
        assert held(shop) is None
        assert bounds(shop) is None
        keda.until_looked()
        mesh.no_request_failed(load)
    assert shop.raised() == [0, 20, 60, 0]
    assert min(_sizes(shop, STABLE)) == 2
    assert (shop.image(NAME), shop.pods_ready(NAME)) == ("web:2", 2)


def _sizes(shop: ManagedShop, name: str) -> list[int]:
    return [c.new["spec"]["replicas"] for c in shop.commits("deployments") if c.name == name and c.new]


def test_without_kedas_definition_nothing_is_asked_of_it_and_one_that_comes_later_is_noticed(
    managed: ManagedShop,
) -> None:
    """A process that runs looks again after ten minutes; one that starts, at once."""
    managed.open()
    managed.onboard()
    asked = [event for event in managed.requests(managed.mark) if event.resource == "scaledobjects"]
    assert asked == []
    managed.plane.apply_crd(CRD)
    try:
        managed.create(SCALED_OBJECTS, scaled_object())
        (controller,) = managed.controllers
        controller.stop()
        controller.start()
        managed.until(lambda: bounds(managed) == (2, 4) and at_rest(managed), "a copy, and a pause")
        assert managed.raised() == [0]
    finally:
        uninstall(managed.plane)
