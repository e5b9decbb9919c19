"""TrafficSplits as older meshes serve them, or as they do not serve them yet.

These tests change the definition of TrafficSplits, which the whole plane shares.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.conftest import HERE
from e2e.plane import Plane
from e2e.shop import NAME, NEW, Shop

DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/trafficsplits.split.smi-spec.io"
MANIFEST = HERE / "manifests" / "trafficsplits.yaml"


@pytest.fixture
def definition(plane: Plane) -> Iterator[Plane]:
    """The plane; its definition of TrafficSplits is put back afterwards."""
    yield plane
    plane.apply_crd(MANIFEST)


def serve_only(plane: Plane, version: str) -> None:
    found = plane.api.json("GET", DEFINITION)
    for entry in found["spec"]["versions"]:
        entry["served"] = entry["name"] == version
    plane.api.json("PUT", DEFINITION, found)


def served(plane: Plane) -> list[str]:
    group = next((g for g in plane.api.json("GET", "/apis")["groups"] if g["name"] == "split.smi-spec.io"), None)
    return [version["version"] for version in group["versions"]] if group else []


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2", "v1alpha3"])
def test_a_rollout_speaks_the_one_version_that_is_served(definition: Plane, shop: Shop, version: str) -> None:
    serve_only(definition, version)
    shop.until(lambda: served(definition) == [version], "discovery of one version")
    shop.open()
    shop.start()
    shop.roll_out()
    shop.until_told("Promoted")
    assert shop.raised() == [0, 20, 100]
    found = definition.api.json(
        "GET", f"/apis/split.smi-spec.io/{version}/namespaces/{shop.namespace}/trafficsplits/{NAME}"
    )
    assert found["spec"]["backends"] == [{"service": NEW, "weight": 100}]
    record = shop.status().record
    assert record is not None
    assert record.split_version == f"split.smi-spec.io/{version}"


def test_a_version_that_is_withdrawn_in_the_middle_is_replaced_by_another(definition: Plane, shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(steps=[{"weight": 20, "hold": "4s"}, {"weight": 100, "hold": "1s"}])
    shop.until_weight(20)
    serve_only(definition, "v1alpha3")
    shop.until_told("Promoted")
    record = shop.status().record
    assert record is not None
    assert record.split_version == "split.smi-spec.io/v1alpha3"


def test_a_controller_that_was_there_before_the_definition_waits_for_it(definition: Plane, shop: Shop) -> None:
    definition.api.json("DELETE", DEFINITION)
    shop.until(lambda: not served(definition), "end of the definition")
    shop.open()
    shop.start()
    shop.roll_out(steps=[{"weight": 100, "hold": "1s"}])
    shop.until(lambda: shop.condition("Reconciling")[1] == "WaitingForTrafficSplit", "wait for the definition")
    definition.apply_crd(MANIFEST)
    shop.until_told("Promoted")
