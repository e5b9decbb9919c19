"""`canary smi-metrics` as a process, installed by the chart and reached by the real aggregator."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e.plane import Plane
from e2e.plane.process import Process
from e2e.smi_endpoint import SmiEndpoint
from e2e.smi_wire import GROUP, VERSION

ROOT = Path(__file__).parent.parent
CHART = ROOT / "charts" / "canary"
RELEASE = "demo"
NAME = "demo-canary-smi-metrics"
API_SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.metrics.smi-spec.io"
MERGE = "application/merge-patch+json"
TIMEOUT = 60.0


class InstalledServer:
    """All is the chart's but the pod: the process runs here, with the pod's rights and certificate."""

    def __init__(
        self, plane: Plane, helm: Path, namespace: str, directory: Path, prometheus: str, pack: str = "linkerd"
    ) -> None:
        self._plane, self._helm, self.namespace, self._directory = plane, helm, namespace, directory
        self._prometheus, self._pack = prometheus, pack
        self._process: Process | None = None
        self.log = directory / "smi-metrics.log"
        self.port = 0

    def helm(self, *command: str) -> None:
        """Runs helm on the release. Raises `AssertionError` with what it said."""
        values = (
            *("--set", f"smiMetrics.server.enabled=true,prometheus.pack={self._pack},crds.install=false"),
            *("--set", f"prometheus.url={self._prometheus}"),
        )
        chart = () if command[0] == "uninstall" else (str(CHART), *values)
        where = ("--kubeconfig", str(self._plane.kubeconfig()), "--namespace", self.namespace)
        done = subprocess.run(
            [str(self._helm), *command, *chart, *where], capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{command}: {done.stderr}"

    def upgrade(self) -> None:
        """helm upgrade, which puts the Service back that led to the process."""
        self._plane.api.json("DELETE", f"/api/v1/namespaces/{self.namespace}/services/{NAME}")
        version = subprocess.run([str(self._helm), "version", "--short"], capture_output=True, text=True, check=True)
        # helm 4 applies at the server, which knows that we have changed the port of the APIService.
        force = ("--force-conflicts",) if version.stdout.startswith("v4") else ()
        self.helm("upgrade", RELEASE, *force)
        self.route()

    def secret(self) -> dict[str, Any]:
        path = f"/api/v1/namespaces/{self.namespace}/secrets/{NAME}-tls"
        found: dict[str, Any] = self._plane.api.json("GET", path)
        return found

    def mount(self) -> None:
        """What the kubelet does: the Secret's data as files."""
        for name, text in self.secret()["data"].items():
            (self._directory / name).write_bytes(base64.b64decode(text))

    def start(self) -> None:
        """Starts the process, on a port of its own each time, and waits until the API is available."""
        self.mount()
        user = self._plane.service_account(NAME, self.namespace)
        command: list[str | Path] = [
            *(sys.executable, "-m", "canary", "smi-metrics", "--listen=127.0.0.1:0", f"--pack={self._pack}"),
            *(f"--prometheus-url={self._prometheus}", "--timeout=2s", "--log-level=debug"),
            f"--tls-cert-file={self._directory / 'tls.crt'}",
            f"--tls-private-key-file={self._directory / 'tls.key'}",
            f"--kubeconfig={self._plane.kubeconfig(user.name, self.namespace)}",
        ]
        before = len(self.told("started"))
        self._process = Process("smi-metrics", command, self.log, cwd=ROOT)
        self._process.start()
        self._process.wait_until(lambda: len(self.told("started")) > before, TIMEOUT)
        self.port = self.told("started")[-1]["port"]
        self.route()
        self._process.wait_until(self.available, TIMEOUT)

    def route(self) -> None:
        """Lets the chart's Service lead to the process: there is no node, and thus no pod behind it."""
        api = self._plane.api
        path = f"/api/v1/namespaces/{self.namespace}/services"
        api.json("DELETE", f"{path}/{NAME}")
        spec = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": self.port}]}
        api.json("POST", path, {"metadata": {"name": NAME}, "spec": spec})
        api.json("PATCH", API_SERVICE, {"spec": {"service": {"port": self.port}}}, content_type=MERGE)

    def available(self) -> bool:
        conditions = self._plane.api.json("GET", API_SERVICE).get("status", {}).get("conditions") or ()
        return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)

    def wait_until_told(self, message: str) -> None:
        """Until the process has logged `message`."""
        assert self._process is not None
        self._process.wait_until(lambda: bool(self.told(message)), TIMEOUT)

    def told(self, message: str) -> list[dict[str, Any]]:
        """The log lines with a message."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if line["message"] == message]

    def stop(self) -> int | None:
        """SIGTERM; the exit code, or `None` when it did not run."""
        return self._process.stop() if self._process is not None else None


@contextmanager
def in_place_of(scripted: SmiEndpoint, plane: Plane, server: InstalledServer) -> Iterator[InstalledServer]:
    """Installs and starts `server`; at the end the `scripted` one has its place again."""
    plane.api.json("POST", "/api/v1/namespaces", {"metadata": {"name": server.namespace}})
    plane.kubectl("delete", "apiservice", f"{VERSION}.{GROUP}")
    server.helm("install", RELEASE)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        server.helm("uninstall", RELEASE)
        plane.api.json("DELETE", f"/api/v1/namespaces/{server.namespace}")
        plane.aggregate(GROUP, VERSION, scripted.port, plane.ca)
