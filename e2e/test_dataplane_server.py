"""The application of the data plane, as the process that it is."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.dataplane import behaviour
from e2e.dataplane.addresses import HOST, free_port
from e2e.dataplane.behaviour import Behaviour

PATIENCE = 20.0


class Served:
    """A running server."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "v1.json"
        self.port = free_port(())
        given = {"PORT": str(self.port), "VERSION": "v1", "POD_NAME": "v1-a", "BEHAVIOUR": str(self.file)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "e2e.dataplane.server"], stdin=subprocess.PIPE, env={**os.environ, **given}
        )

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (in small letters) and body. Raises `OSError`."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                self.get("/ready")
            except OSError:
                continue
            return
        raise AssertionError("the server does not answer")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    try:
        served.until_ready()
        yield served
    finally:
        served.process.kill()
        served.process.wait(PATIENCE)
        if served.process.stdin is not None:
            served.process.stdin.close()


def test_every_answer_says_who_gave_it(served: Served) -> None:
    status, headers, _ = served.get("/cart?item=1")
    assert (status, headers["x-version"], headers["x-pod"]) == (200, "v1", "v1-a")
    assert json.loads(served.get("/identity")[2]) == {"pid": served.process.pid, "pod": "v1-a", "version": "v1"}


def test_a_failure_says_who_gave_it_too(served: Served) -> None:
    behaviour.write(served.file, Behaviour(errors=1.0, status=502))
    status, headers, _ = served.get("/")
    assert (status, headers["x-version"]) == (502, "v1")


def test_the_probe_answers_as_it_is_told(served: Served) -> None:
    assert served.get("/ready")[0] == 200
    behaviour.write(served.file, Behaviour(ready=False))
    assert served.get("/ready")[0] == 503


def test_an_ending_server_answers_for_a_while_and_lets_go_of_its_connections(served: Served) -> None:
    served.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while served.get("/ready")[0] != 503:
        assert time.monotonic() < deadline
    status, headers, _ = served.get("/")
    assert (status, headers["connection"]) == (200, "close")
    assert served.process.wait(PATIENCE) == 0


def test_a_server_does_not_outlive_its_kubelet(served: Served) -> None:
    assert served.process.stdin is not None
    served.process.stdin.close()
    assert served.process.wait(PATIENCE) == 0
