"""`canary smi-metrics`: options to settings, and the process itself."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys

import pytest

from canary.cli.exits import Failure
from canary.cli.smi_metrics import Measuring, Options, settings_for
from canary.metrics.prometheus.pack_file import shipped
from canary.metrics.prometheus.prometheus import Result
from canary.metrics.prometheus.question import Question
from e2e.plane.certificates import Authority

NEEDED = {"prometheus_url": "http://p", "pack": "linkerd", "tls_cert_file": "a.crt", "tls_private_key_file": "a.key"}


def options(**overrides):
    return Options(**NEEDED | overrides)


def test_the_defaults():
    settings = settings_for(options())
    assert (settings.host, settings.port, settings.timeout) == ("0.0.0.0", 8443, 5.0)
    assert (str(settings.certificate), str(settings.key), settings.pack.name) == ("a.crt", "a.key", "linkerd")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--listen", "8443"),
        ("--timeout", "5"),
        ("--timeout", "10ms"),
        ("--timeout", "2m"),
        ("--pack", "nomesh"),
        ("--pack", ""),
    ],
)
def test_an_option_that_is_wrong_is_named(option, value):
    with pytest.raises(Failure, match=f"^{option}: "):
        settings_for(options(**{option.strip("-"): value}))


def test_prometheus_is_asked_in_the_words_of_the_pack():
    class Prometheus:
        asked: list[tuple[str, float]] = []  # noqa: RUF012

        async def query(self, promql, *, timeout, time=None):
            self.asked.append((promql, timeout))
            return Result(())

    measuring = Measuring(Prometheus(), shipped("linkerd"), timeout=2.0)
    assert asyncio.run(measuring.measure(Question("deployment", 30, "shop"))) == []
    ((promql, timeout),) = Prometheus.asked
    assert "response_total" in promql
    assert timeout == 2.0


@pytest.fixture
def arguments(served, tmp_path):
    """A command line that starts."""
    pair = Authority(tmp_path / "pki", "serving").issue("serving", "DNS:localhost")
    return [
        *(sys.executable, "-m", "canary.cli.main", "smi-metrics", "--kubeconfig", served.kubeconfig),
        *("--listen=127.0.0.1:0", "--prometheus-url=http://127.0.0.1:9", "--pack=linkerd"),
        *("--tls-cert-file", str(pair.certificate), "--tls-private-key-file", str(pair.key)),
    ]


def said(process, message):
    """The log line with a message. Raises `AssertionError` after 30 s without it."""
    text = b""
    while select.select([process.stderr], [], [], 30)[0]:
        chunk = os.read(process.stderr.fileno(), 65536)
        if not chunk:
            break
        text += chunk
        for line in text.splitlines()[: text.count(b"\n")]:
            if json.loads(line)["message"] == message:
                return json.loads(line)
    raise AssertionError(text.decode())


def test_the_server_runs_until_it_is_told_to_stop(arguments):
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE)
    try:
        line = said(process, "started")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert (line["pack"], line["port"] > 0) == ("linkerd", True)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--tls-cert-file=/nowhere.crt", "the serving certificate /nowhere.crt"),
        ("--prometheus-url=prometheus:9090", "the address of Prometheus"),
        ("--prometheus-ca-file=/nowhere.crt", "the CA file /nowhere.crt"),
        ("--kubeconfig=/dev/null", "kubeconfig"),
    ],
)
def test_what_keeps_it_from_starting_is_the_last_line_of_the_log(arguments, option, words):
    done = subprocess.run([*arguments, option], capture_output=True, text=True, timeout=30, check=False)
    line = json.loads(done.stderr.splitlines()[-1])
    assert (done.returncode, line["message"]) == (1, "cannot start")
    assert words in line["error"]
