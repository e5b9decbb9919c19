"""Managed mode beside tools that apply manifests again and again: no conflict for them, no request lost."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import pytest

from e2e.managed import manifests
from e2e.managed.manifests import STABLE
from e2e.managed.scene import ManagedScene
from e2e.managed.shop import GITOPS
from e2e.shop import NAME

SYNC = 2.5
"""Seconds between two applies of the same manifests: longer than the settle time of the Canary."""
FORCE = {"name": NAME, "adopt": "Force"}


class Applier:
    """Forces the manifests again and again, the Service with its own selector and the Deployment with replicas."""

    def __init__(self, mesh: ManagedScene) -> None:
        self.version = "1"
        self.syncs = 0
        self._mesh = mesh
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="applier", daemon=True)

    def __enter__(self) -> Applier:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(SYNC):
            self._mesh.shop.apply(manifests.root(), GITOPS)
            self._mesh.push(self.version, replicas=2)
            self.syncs += 1


def test_an_applier_that_forces_its_manifests_all_the_time_loses_no_request(mesh: ManagedScene) -> None:
    mesh.open_managed()
    mesh.measure()
    with Applier(mesh) as applier, mesh.calling() as load:
        mesh.shop.manage(service=FORCE)
        mesh.shop.start()
        mesh.shop.until_phase("Idle")
        applier.version = "2"
        mesh.shop.until_told("Promoted", timeout=60)
        requests = mesh.no_request_failed(load)
        assert applier.syncs >= 4
    assert mesh.shop.image(STABLE) == "web:2"
    assert {version for version, _ in requests.counts()} == {"1", "2"}


def test_kubectl_apply_needs_no_force_and_loses_no_request(mesh: ManagedScene) -> None:
    """Client-side apply first, then server-side, both with replicas in the manifest."""
    mesh.open_managed(root=False, deploy=False)
    shop = mesh.shop
    _kubectl_apply(mesh, mesh.target(replicas=2), manifests.root())
    shop.until(lambda: shop.pods_ready(NAME) == 2, "ready Pods")
    mesh.open_proxy(2)
    mesh.measure()
    with mesh.calling() as load:
        shop.manage(service=FORCE, steps=[{"weight": 20, "hold": "1s"}])
        shop.start()
        shop.until_phase("Idle")
        _kubectl_apply(mesh, mesh.target("2", replicas=2), manifests.root())
        shop.until_told("Promoted", timeout=60)
        mesh.no_request_failed(load)
    assert shop.image(STABLE) == "web:2"


def _kubectl_apply(mesh: ManagedScene, *objects: manifests.JSON) -> None:
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    done = mesh.shop.plane.kubectl("--namespace", mesh.shop.namespace, "apply", "-f", "-", stdin=body)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", ["v3.17.2", "v4.1.4"])
def test_helm_upgrades_without_a_conflict_in_the_middle_of_a_rollout(
    mesh: ManagedScene, helms: dict[str, Path], tmp_path: Path, version: str
) -> None:
    """The chart has neither replicas nor a root Service: helm 4 applies on the server and wants what it has alone."""
    shop = mesh.shop
    mesh.open_managed(root=False, deploy=False)
    release = HelmRelease(mesh, helms[version], tmp_path / "chart")
    release.upgrade("1")
    shop.until(lambda: shop.pods_ready(NAME) == 1, "ready Pods")
    shop.manage(service={"name": NAME, "ports": [{"name": "http", "port": 80}]}, steps=[{"weight": 20, "hold": "3s"}])
    shop.start()
    shop.until_phase("Idle")
    mesh.open_proxy(1)
    mesh.measure()
    with mesh.calling() as load:
        release.upgrade("2")
        shop.until_weight(20, timeout=40)
        # The same once more, as a pipeline that is run again.
        release.upgrade("2")
        shop.until_told("Promoted", timeout=60)
        mesh.no_request_failed(load)
    assert shop.image(STABLE) == "web:2"
    assert shop.raised() == [0, 20, 0]


class HelmRelease:
    """A chart of the Deployment alone."""

    def __init__(self, mesh: ManagedScene, helm: Path, chart: Path) -> None:
        self._mesh, self._helm, self._chart = mesh, helm, chart
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text("{apiVersion: v2, name: web, version: 1.0.0}")

    def upgrade(self, version: str) -> None:
        # JSON is YAML.
        (self._chart / "templates" / "deployment.yaml").write_text(json.dumps(self._mesh.target(version)))
        plane, namespace = self._mesh.shop.plane, self._mesh.shop.namespace
        command: list[str | Path] = [self._helm, "upgrade", "--install", "web", self._chart, "--namespace", namespace]
        command += ["--kubeconfig", plane.kubeconfig()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
