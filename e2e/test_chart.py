"""The chart on the real API server: everything it renders is accepted, and its pods pass the restricted standard."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from e2e.plane import Plane

ROOT = Path(__file__).parent.parent
CHART = ROOT / "charts" / "canary"
RESTRICTED = ("pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted")
# The ServiceMonitor needs a kind of the Prometheus operator; the SMI metrics API is installed by tests of its own.
ELSEWHERE = {"monitoring-values.yaml", "smi-metrics-values.yaml"}
VALUES = sorted(path.name for path in (CHART / "ci").glob("*.yaml") if path.name not in ELSEWHERE)


@pytest.mark.parametrize("values", VALUES)
def test_the_chart_is_installed_and_upgraded_without_a_warning(
    plane: Plane, canaries: Plane, namespace: str, helms: dict[str, Path], values: str
) -> None:
    plane.kubectl("label", "namespace", namespace, *RESTRICTED)
    admin = ["--kubeconfig", str(plane.kubeconfig()), "--namespace", namespace]
    # The definition is there already, and belongs to no release; the namespaces of the example are not there.
    settings = f"crds.install=false{f',watchNamespaces={{{namespace}}}' if values.startswith('namespaced') else ''}"
    chart = [str(CHART), "-f", str(CHART / "ci" / values), "--set", settings]
    for helm in map(str, helms.values()):
        for command in (
            ["install", "demo", *chart],
            ["upgrade", "demo", *chart, "--set", "workers=8"],
            ["uninstall", "demo"],
        ):
            done = subprocess.run([helm, *command, *admin], capture_output=True, text=True, timeout=120, check=False)
            assert (done.returncode, done.stderr) == (0, ""), command
