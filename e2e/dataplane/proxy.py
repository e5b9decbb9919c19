"""The caller's side of a namespace: a real Envoy, the mesh that configures it, and the loads that go through it."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack
from pathlib import Path

from e2e.dataplane import requests
from e2e.dataplane.addresses import HOST
from e2e.dataplane.admin import Admin
from e2e.dataplane.journal import Entry, Shift, read, shifts
from e2e.dataplane.mesh import journal_file, prepare
from e2e.dataplane.requests import Requests
from e2e.dataplane.routes import Weights, cluster_name
from e2e.plane import Plane
from e2e.plane.plane import REPOSITORY
from e2e.plane.process import Process

START_TIMEOUT = 30.0
MORE = 15.0
"""Seconds that a load may take beyond its schedule: a request's timeout and a little."""


class Proxy:
    """One Envoy for the callers of one namespace. `start` brings it up with its mesh, `stop` ends all there is."""

    def __init__(self, plane: Plane, binary: Path, namespace: str, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.namespace = namespace
        self.port, admin_port = _free_ports(2)
        self.admin = Admin(admin_port)
        self._directory = directory
        self._loads: list[LoadProcess] = []
        configuration = prepare(directory, self.port, admin_port)
        # A hot restart would need shared memory under a name that no other Envoy has.
        flags = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
        envoy: list[str | Path] = [sys.executable, "-m", "e2e.plane.tether", binary, "-c", configuration, *flags]
        token = plane.directory / "mesh.token"
        token.write_text(plane.user("admin").token)
        mesh: list[str | Path] = [sys.executable, "-m", "e2e.dataplane.mesh", plane.server, plane.ca, token]
        mesh += [namespace, directory, str(admin_port)]
        self.envoy = Process("envoy", envoy, directory / "envoy.log", cwd=REPOSITORY)
        self.mesh = Process("mesh", mesh, directory / "mesh.log", cwd=REPOSITORY)

    def start(self) -> None:
        """Returns when the mesh has given Envoy its first routes. Raises `ProcessFailed`."""
        self.envoy.start()
        self.envoy.wait_until(self.admin.ready, START_TIMEOUT)
        self.mesh.start()
        self.mesh.wait_until(lambda: bool(self.journal()), START_TIMEOUT)

    def stop(self) -> None:
        """Ends the loads, the mesh and Envoy."""
        with ExitStack() as stack:
            stack.callback(self.envoy.stop)
            stack.callback(self.mesh.stop)
            for load in self._loads:
                stack.callback(load.kill)

    def load(self, service: str, rate: float, seconds: float, *, poisson: int | None = None) -> LoadProcess:
        """Starts a load of the Service; `poisson` is the seed of a Poisson process."""
        file = self._directory / f"load.{len(self._loads)}.jsonl"
        started = LoadProcess(self, f"{service}.{self.namespace}", rate, seconds, file, poisson)
        self._loads.append(started)
        return started

    def journal(self) -> list[Entry]:
        """What the mesh has written and seen so far. Raises `AssertionError` when it has ended."""
        assert self.mesh.running, f"the mesh has ended:\n{self.mesh.tail()}"
        return read(journal_file(self._directory))

    def shifts(self, service: str) -> list[Shift]:
        """The changes of the weights of a Service, by the names of its backends."""
        return list(shifts(self.journal(), cluster_name(self.namespace, service)))

    def weights(self, service: str) -> Weights:
        """The weights that Envoy uses now, by cluster."""
        return self.admin.routes()[1].get(cluster_name(self.namespace, service), {})


class LoadProcess:
    """One load, which runs from its making on."""

    def __init__(self, proxy: Proxy, host: str, rate: float, seconds: float, file: Path, poisson: int | None) -> None:
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "e2e.dataplane.load",
            str(proxy.port),
            host,
            str(rate),
            str(seconds),
            file,
        ]
        if poisson is not None:
            command.append(f"--poisson={poisson}")
        self._file = file
        self._seconds = seconds
        self._process = Process("load", command, file.with_suffix(".log"), cwd=REPOSITORY)
        self._process.start()

    @property
    def requests(self) -> Requests:
        """Those that have their outcome so far."""
        return requests.read(self._file)

    @property
    def answered(self) -> int:
        """How many have their outcome so far; cheaper than looking at each."""
        return self._file.read_bytes().count(b"\n") if self._file.exists() else 0

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def finish(self) -> Requests:
        """Waits for its end: every request, with its outcome. Raises `AssertionError` when it did not end well."""
        code = self._process.wait(self._seconds + MORE)
        assert code == 0, f"the load ended with {code}:\n{self._process.tail()}"
        return self.requests

    def stop(self) -> Requests:
        """Sends nothing more, and waits for the outcomes; errors as `finish`."""
        code = self._process.stop(grace=MORE)
        assert code in (0, None), f"the load ended with {code}:\n{self._process.tail()}"
        return self.requests

    def kill(self) -> None:
        self._process.kill()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind((HOST, 0))
        return [listener.getsockname()[1] for listener in sockets]
