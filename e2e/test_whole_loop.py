"""The whole loop: Envoy moves requests, Prometheus scrapes it, the SMI metrics API is served, the controller judges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.dataplane.behaviour import Behaviour
from e2e.dataplane.scene import TARGET, Scene
from e2e.prometheus import PrometheusServer
from e2e.shop import NEW, OLD, THREE
from e2e.smi_endpoint import SmiEndpoint
from e2e.smi_server import InstalledServer, in_place_of

BY_SMI = {"interval": "4s", "warmup": "0s", "target": TARGET, "metrics": [{"name": "success-rate", "min": "99"}]}


@pytest.fixture
def prometheus(scene: Scene) -> Iterator[PrometheusServer]:
    """A Prometheus that scrapes the callers' proxy, behind a server of the SMI metrics API."""
    scene.open()
    with scene.prometheus() as server:
        yield server


@pytest.fixture
def served(
    scene: Scene, prometheus: PrometheusServer, smi_server: SmiEndpoint, helms: dict[str, Path], tmp_path: Path
) -> Iterator[InstalledServer]:
    """The controller's only source is `canary smi-metrics`, installed by the chart."""
    plane, namespace = scene.shop.plane, f"{scene.shop.namespace}-smi"
    scene.shop.smi_measures = False
    server = InstalledServer(plane, next(iter(helms.values())), namespace, tmp_path, prometheus.url, "envoy")
    with in_place_of(smi_server, plane, server):
        yield server


def test_a_good_release_goes_the_whole_way_and_loses_no_request(scene: Scene, served: InstalledServer) -> None:
    load = scene.load(rate=100, seconds=240, poisson=31)
    scene.until(lambda: load.answered > 0, "first request")
    scene.shop.start()
    scene.shop.roll_out(**THREE, analysis=BY_SMI)
    scene.shop.until_told("Promoted", timeout=120)
    requests = load.stop()
    print(f"\n{scene.weight_table()}\n{requests.table()}")
    assert scene.shop.raised() == [0, 20, 60, 100]
    assert set(requests.counts()) == {(OLD, 200), (NEW, 200)}
    assert scene.shop.smi.answers(scene.shop.namespace) == []


def test_a_bad_release_is_taken_back(scene: Scene, served: InstalledServer) -> None:
    scene.behave(NEW, Behaviour(errors=0.5))
    load = scene.load(rate=100, seconds=240, poisson=32)
    scene.until(lambda: load.answered > 0, "first request")
    scene.shop.start()
    scene.shop.roll_out(**THREE, analysis=BY_SMI)
    scene.shop.until_told("RolledBack", timeout=120)
    requests = load.stop()
    print(f"\n{scene.weight_table()}\n{requests.table()}")
    print(f"first bad answer to weight 0: {scene.seconds_to_nothing(requests):.2f} s")
    assert scene.shop.raised() == [0, 20, 0]
    assert not len(requests.lost())
