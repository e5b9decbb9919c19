"""`canary run`: options to settings, and the process itself."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys

import pytest

from canary.cli.flags import Flags
from canary.cli.run import LATENCY_UNITS, Options, settings_for
from canary.server.sources import SourceSettings


@pytest.fixture
def made(tmp_path):
    """Settings made of options, beside a kubeconfig whose namespace is canary-system."""
    path = tmp_path / "config"
    path.write_text("{current-context: x, contexts: [{name: x, context: {namespace: canary-system}}]}")

    def make(flags=None, **options):
        return settings_for(flags or Flags(), Options(**options), {"KUBECONFIG": str(path)})

    return make


def test_the_defaults_are_those_of_the_issue(made):
    settings = made()
    assert (settings.namespaces, settings.leader_elect, settings.lease_name) == ((), True, "canary-controller")
    assert (settings.host, settings.port, settings.workers) == ("0.0.0.0", 8080, 16)
    assert (settings.log_level, settings.log_format) == ("info", "json")
    assert settings.sources == SourceSettings()


def test_the_lease_is_in_the_own_namespace_unless_named(made):
    assert made().lease_namespace == "canary-system"
    assert made(lease_namespace="locks").lease_namespace == "locks"


def test_an_identity_is_unique_unless_named(made):
    assert len({made().identity for _ in range(3)}) == 3
    assert made(identity="me").identity == "me"


def test_a_namespace_that_is_given_twice_is_watched_once(made):
    assert made(namespaces=("a", "b", "a")).namespaces == ("a", "b")


def test_the_cluster_is_the_one_that_the_flags_name(made, tmp_path):
    (tmp_path / "other").touch()
    settings = made(Flags(kubeconfig=str(tmp_path / "other"), context="c"))
    assert (settings.kubeconfig, settings.context, settings.in_cluster) == (str(tmp_path / "other"), "c", False)


def test_every_latency_unit_of_the_source_can_be_asked_for():
    assert dict(LATENCY_UNITS) == {"auto": "Auto", "seconds": "Seconds", "milliseconds": "Milliseconds"}


def test_secrets_are_tracked_only_where_that_is_asked_for(made):
    assert not made().track_secrets
    assert made(track_secrets=True).track_secrets


def test_an_address_without_a_port_is_refused(made):
    with pytest.raises(ValueError, match="HOST:PORT"):
        made(listen="8080")


def started(process) -> dict[str, object]:
    """The log line that says that the process runs. Raises `AssertionError` after 30 s without it."""
    text = b""
    while select.select([process.stderr], [], [], 30)[0]:
        chunk = os.read(process.stderr.fileno(), 65536)
        if not chunk:
            break
        text += chunk
        for line in text.splitlines()[: text.count(b"\n")]:
            if json.loads(line)["message"] == "started":
                return json.loads(line)
    raise AssertionError(text.decode())


def test_the_controller_runs_until_it_is_told_to_stop(served):
    options = [
        "--kubeconfig",
        served.kubeconfig,
        "--listen",
        "127.0.0.1:0",
        "--identity",
        "me",
        "-n",
        "shop",
        "-n",
        "other",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "canary.cli.main", "run", "--metrics-latency-unit=Seconds", *options],
        stderr=subprocess.PIPE,
    )
    try:
        line = started(process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert (line["identity"], line["namespaces"]) == ("me", ["shop", "other"])
    assert line["lease"] == "shop/canary-controller"
