"""The controller as a process, installed as the chart says: its arguments, and only the rights that are shipped."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from e2e.plane import Plane, User
from e2e.warm import WarmProcess

ROOT = Path(__file__).parent.parent
CHART = ROOT / "charts" / "canary"
RELEASE = "demo"
SOMEWHERE = "namespace-of-a-test"
RIGHTS = {
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}
START_TIMEOUT = 30.0
STOP_TIMEOUT = 12.0


@dataclass(frozen=True, slots=True)
class Installation:
    """Who the controller is and how it is called."""

    user: User
    kubeconfig: Path
    arguments: tuple[str, ...]


def install(plane: Plane, helm: Path, namespace: str, *, leader_elect: bool, everywhere: bool = False) -> Installation:
    """Gives the rights that the chart renders, for one namespace or for all; nothing of it is started."""
    rendered = _rendered(helm, leader_elect, everywhere).replace(SOMEWHERE, namespace)
    objects = [found for found in yaml.safe_load_all(rendered) if found]
    for found in objects:
        if found["kind"] in RIGHTS:
            plane.api.json("POST", RIGHTS[found["kind"]].format(namespace=namespace), found)
    (pod,) = (found["spec"]["template"]["spec"] for found in objects if found["kind"] == "Deployment")
    user = plane.service_account(pod["serviceAccountName"], namespace)
    given = [part for part in pod["containers"][0]["args"] if not part.startswith("--listen=")]
    return Installation(user, plane.kubeconfig(user.name, namespace), (*given, "--listen=127.0.0.1:0"))


@cache
def _rendered(helm: Path, leader_elect: bool, everywhere: bool) -> str:
    """The chart for the namespace `SOMEWHERE`: only the name differs from test to test."""
    settings = f"leaderElection.enabled={str(leader_elect).lower()},crds.install=false"
    if not everywhere:
        settings += f",watchNamespaces={{{SOMEWHERE}}}"
    command: list[str | Path] = [helm, "template", RELEASE, CHART, "--namespace", SOMEWHERE, "--set", settings]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class ControllerProcess:
    """One process of `canary run`; started, stopped, killed and frozen any number of times."""

    def __init__(self, name: str, installation: Installation, log: Path) -> None:
        arguments = [*installation.arguments, f"--kubeconfig={installation.kubeconfig}"]
        self.name = name
        self.log = log
        self._process = WarmProcess(f"controller {name}", arguments, log)

    @property
    def running(self) -> bool:
        return self._process.running

    @property
    def identity(self) -> str:
        """The name under which the process that was started last writes."""
        return str(self._started()[-1]["identity"])

    def start(self, *, wait: bool = True) -> None:
        """Starts a new process and waits until it says so. Raises `ProcessFailed`."""
        before = len(self._started())
        self._process.start()
        if wait:
            self._process.wait_until(lambda: len(self._started()) > before, START_TIMEOUT)

    def stop(self) -> None:
        """SIGTERM; it must end by itself, and well."""
        code = self._process.stop(grace=STOP_TIMEOUT)
        assert code in (0, None), f"{self.name} ended with {code}:\n{self.tail()}"

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def freeze(self) -> None:
        """SIGSTOP: the process stands still, its connections stay open."""
        self._process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: the process goes on where it stood."""
        self._process.send(signal.SIGCONT)

    def tail(self) -> str:
        return self._process.tail()

    def lines(self) -> list[dict[str, Any]]:
        """The log, line by line; lines that are no JSON come as `{"text": …}`."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return [_line(line) for line in text.splitlines() if line.strip()]

    def failures(self) -> list[str]:
        """What no process may ever log: a defect that was caught."""
        return [json.dumps(line) for line in self.lines() if _DEFECT.search(json.dumps(line))]

    def _started(self) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line.get("message") == "started"]


_DEFECT = re.compile(r"Traceback|IllegalMove|AssertionError|never awaited|Unclosed|TypeError|AttributeError|KeyError")


def _line(text: str) -> dict[str, Any]:
    # A process that was killed may have left half a line, and the next one goes on in it.
    try:
        found = json.loads(text[max(text.rfind('{"time":'), 0) :])
    except ValueError:
        return {"text": text}
    return found if isinstance(found, dict) else {"text": text}
