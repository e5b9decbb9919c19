"""etcd, kube-apiserver, kube-controller-manager and a kubelet for tests, on free ports of 127.0.0.1."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from e2e.plane import access, audit, flags
from e2e.plane.access import Rules, User
from e2e.plane.aggregation import registration
from e2e.plane.api import Api, RequestFailed
from e2e.plane.audit import AuditLog
from e2e.plane.certificates import Authority, KeyPair, private_key
from e2e.plane.process import Process, ProcessFailed

REPOSITORY = Path(__file__).parent.parent.parent
START_TIMEOUT = 90.0
DRAIN = 2.0


class Plane:
    """One control plane. `start` brings it up, `stop` takes it down; both may be called again.

    The API server and the controller manager can be stopped, killed and started on their own in the middle of a test:
    see `apiserver` and `controller_manager`. `directory` holds certificates, kubeconfigs and one log file per program.
    """

    def __init__(self, binary: Path, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        ports = flags.Ports(*_free_ports(3))
        self.server = f"https://127.0.0.1:{ports.api}"
        self._authority = Authority(directory / "pki", "plane")
        self._front_proxy = Authority(directory / "pki-front-proxy", "plane-front-proxy")
        users = (
            access.new_user(access.ADMIN, access.MASTERS),
            access.new_user(access.CONTROLLER_MANAGER, access.MASTERS),
            access.new_user(access.KUBELET, access.MASTERS),
        )
        self._users = {user.name: user for user in users}
        self._files = files = self._write_files()
        self.audit = AuditLog(files.audit_log)
        self.etcd_port = ports.etcd
        self.api = Api(ports.api, self.ca, self._users[access.ADMIN].token)

        self._binary = binary
        self.etcd = self._process("etcd", [binary, *flags.etcd(directory / "etcd", ports)])
        self.apiserver = self._process("kube-apiserver", [binary, *flags.kube_apiserver(ports, files)])
        self.controller_manager = self._controller_manager()
        self.kubelet = self._process(
            "kubelet", [sys.executable, "-m", "e2e.kubelet", self.server, self.ca, directory / "kubelet.token"]
        )

    @property
    def ca(self) -> Path:
        """The certificate of the authority that signed the API server's."""
        return self._authority.certificate

    @property
    def front_proxy_ca(self) -> Path:
        """The authority whose client certificate shows an aggregated API that a request comes from the API server."""
        return self._front_proxy.certificate

    def start(self) -> None:
        """Starts what is not running and waits until it works. Raises `ProcessFailed` with the end of a log."""
        self.etcd.start()
        self.start_apiserver()
        self.controller_manager.start()
        self.kubelet.start()
        self.kubelet.wait_until(self._node_exists, START_TIMEOUT)

    def stop(self) -> None:
        """Ends every process, in the order of their dependence, and removes etcd's data."""
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self.directory / "etcd", ignore_errors=True)
            for process in (self.etcd, self.apiserver, self.controller_manager, self.kubelet):
                stack.callback(process.stop)

    def start_apiserver(self) -> None:
        """Starts the API server on its old port and waits for /readyz."""
        self.apiserver.start()
        self.apiserver.wait_until(self.api.ready, START_TIMEOUT)

    def restart_apiserver(self, *, kill: bool = False) -> float:
        """Stops (or kills) the API server and starts it again; all connections break. Returns the seconds it took.

        A stopped server first refuses new connections while old watches stay open: it would wait a minute for those,
        and gets `DRAIN` seconds.
        """
        began = time.monotonic()
        if kill:
            self.apiserver.kill()
        else:
            self.apiserver.stop(grace=DRAIN)
        self.start_apiserver()
        return time.monotonic() - began

    def restart_controllers(self, *, without: Collection[str] = ()) -> None:
        """Stops the controller manager and starts another, less the controllers `without`; waits for neither's work."""
        self.controller_manager.stop()
        self.controller_manager = self._controller_manager(without)
        self.controller_manager.start()

    def user(self, name: str) -> User:
        """A user by name; `KeyError` when nobody made it."""
        return self._users[name]

    def kubeconfig(self, user: str = access.ADMIN, namespace: str = "default") -> Path:
        """The path of a kubeconfig for `user`, an administrator by default."""
        path = self.directory / f"{user.replace(':', '-')}.{namespace}.kubeconfig"
        config = access.kubeconfig(self.server, self.ca, self._users[user].token, namespace=namespace)
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        return path

    def create_user(self, name: str, namespace: str, rules: Rules, *, cluster_wide: bool = False) -> User:
        """A ServiceAccount with exactly `rules`, in its namespace or everywhere, and a token for it.

        Its user name, as in the audit log, is `system:serviceaccount:<namespace>:<name>`.
        """
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self.api.json("POST", accounts, {"metadata": {"name": name}})
        for role in access.grant(name, namespace, rules, cluster_wide=cluster_wide):
            plural = f"{role['kind'].lower()}s"
            scope = "" if cluster_wide else f"/namespaces/{namespace}"
            self.api.json("POST", f"/apis/rbac.authorization.k8s.io/v1{scope}/{plural}", role)
        return self.service_account(name, namespace)

    def service_account(self, name: str, namespace: str) -> User:
        """The user that a ServiceAccount is, with a token for it."""
        request = {"spec": {"expirationSeconds": 24 * 3600}}
        answer = self.api.json("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", request)
        user = User(f"system:serviceaccount:{namespace}:{name}", answer["status"]["token"])
        self._users[user.name] = user
        return user

    def aggregate(self, group: str, version: str, port: int, ca: Path, *, timeout: float = 60.0) -> None:
        """Registers the server on 127.0.0.1:`port` as the API `group`/`version` and waits until it is available.

        Its certificate, signed by `ca`, must carry the name that `aggregation.host_name` gives.
        """
        self.apply(registration(group, version, port, ca.read_bytes()))
        path = f"/apis/apiregistration.k8s.io/v1/apiservices/{version}.{group}"

        def available() -> bool:
            conditions = self.api.json("GET", path).get("status", {}).get("conditions") or ()
            return any(c["type"] == "Available" and c["status"] == "True" for c in conditions)

        self.apiserver.wait_until(available, timeout)

    def issue(self, name: str, *subject_alternative_names: str) -> KeyPair:
        """A certificate signed by `ca`."""
        return self._authority.issue(name, *subject_alternative_names)

    def kubectl(
        self, *arguments: str, user: str = access.ADMIN, stdin: str | None = None, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl as `user`; the caller judges the exit code."""
        program = Path(sys.executable).parent / "kubectl"
        if not program.exists():
            raise ProcessFailed(f"{program} is missing: install the development requirements")
        return subprocess.run(
            [str(program), f"--kubeconfig={self.kubeconfig(user)}", *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, "KUBECACHEDIR": str(self.directory / "kubectl-cache")},
        )

    def apply(self, manifest: Path | Sequence[dict[str, Any]]) -> str:
        """Applies a file or objects, server-side; returns what kubectl said. Raises `ProcessFailed`."""
        text = manifest.read_text() if isinstance(manifest, Path) else json.dumps(_list(manifest))
        done = self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
        if done.returncode != 0:
            raise ProcessFailed(f"kubectl apply failed: {done.stderr}")
        return done.stdout

    def apply_crd(self, manifest: Path, *, timeout: float = 30.0) -> None:
        """Applies a file of CustomResourceDefinitions and waits until they are served."""
        self.apply(manifest)
        arguments = ("wait", "--for=condition=Established", f"--timeout={timeout:.0f}s", "-f", str(manifest))
        deadline = time.monotonic() + timeout
        while (done := self.kubectl(*arguments)).returncode != 0:
            # kubectl gives up at once on what has no conditions yet.
            if "accessor error" not in done.stderr or time.monotonic() > deadline:
                raise ProcessFailed(f"{manifest} was not established: {done.stderr}")

    def _process(self, name: str, command: Sequence[str | Path]) -> Process:
        return Process(name, command, self.directory / f"{name}.log", cwd=REPOSITORY)

    def _controller_manager(self, without: Collection[str] = ()) -> Process:
        kubeconfig = self.kubeconfig(access.CONTROLLER_MANAGER)
        arguments = flags.kube_controller_manager(kubeconfig, self._files, without)
        return self._process("kube-controller-manager", [self._binary, *arguments])

    def _node_exists(self) -> bool:
        try:
            return bool(self.api.json("GET", "/api/v1/nodes")["items"])
        except (OSError, RequestFailed):
            return False

    def _write_files(self) -> flags.Files:
        directory = self.directory
        tokens = directory / "tokens.csv"
        tokens.write_text(access.token_file(self._users.values()))
        (directory / "kubelet.token").write_text(self._users[access.KUBELET].token)
        policy = directory / "audit-policy.json"
        policy.write_text(json.dumps(audit.policy()))
        return flags.Files(
            authority=self.ca,
            front_proxy_authority=self.front_proxy_ca,
            front_proxy=self._front_proxy.issue(flags.FRONT_PROXY),
            serving=self._authority.issue("kube-apiserver", "IP:127.0.0.1", "DNS:localhost"),
            service_account_key=private_key(directory / "service-account.key"),
            tokens=tokens,
            audit_policy=policy,
            audit_log=directory / "audit.log",
        )


def _list(objects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in sockets]
