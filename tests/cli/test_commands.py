"""Commands end to end: from the command line over a socket to the cluster, and back as text and exit code."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from canary.api.names import COMMAND_ANNOTATION
from canary.cli.canaries import CANARIES
from canary.cli.get import watch
from canary.cli.main import main
from canary.cli.sandbox import sandbox
from canary.cli.session import Session
from canary.cli.status import watch as watch_status
from canary.cli.terminal import Terminal


def test_options_count_before_and_after_the_command(served, capsys):
    assert main(["--kubeconfig", served.kubeconfig, "-n", "other", "get", "-o", "name"]) == 0
    assert main(["get", "-o", "name", "-n", "other", "--kubeconfig", served.kubeconfig]) == 0
    assert main(["-n", "nowhere", "get", "-n", "other", "-o", "name", "--kubeconfig", served.kubeconfig]) == 0
    assert capsys.readouterr().out == 3 * "canary.canary.delivery/elsewhere\n"


def test_the_namespace_is_that_of_the_kubeconfig(served, capsys, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", served.kubeconfig)
    assert main(["get"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["NAME", "api", "podinfo"]


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["wait", "podinfo", "--for=weight>=25"], 0, "shop/podinfo weight>=25 reached", "shop/podinfo Progressing 25%"),
        (["wait", "podinfo", "--timeout", "100ms"], 3, "", "promoted not reached within 100ms"),
        (["wait", "none"], 4, "", "does not exist"),
        (["status", "podinfo"], 0, "shop/podinfo   ◌ Progressing", ""),
        (["promote", "podinfo"], 0, "podinfo-v2:77de goes to 100% now", "canary status podinfo --watch -n shop"),
        (["promote", "podinfo", "--full"], 0, "one full Healthy window decides", ""),
        (["approve", "podinfo", "prod"], 0, "will not wait at that step", ""),
        (["approve", "podinfo", "qa"], 1, "", "there are: prod"),
        (["pause", "podinfo"], 0, "stays at 25%", ""),
        (["pause", "podinfo", "--wait", "--timeout", "100ms"], 3, "", "has not answered within 100ms"),
        (["resume", "podinfo"], 1, "", "is not paused"),
        (["retry", "podinfo"], 1, "", "is not rolled back, it is Progressing"),
        (["abort", "podinfo"], 0, "traffic goes back to podinfo-v1:5b9c at once", ""),
    ],
)
def test_each_command_reaches_the_cluster(served, capsys, arguments, code, out, err):
    assert main([*arguments, "--kubeconfig", served.kubeconfig]) == code
    shown = capsys.readouterr()
    assert out in shown.out
    assert err in shown.err
    assert "Traceback" not in shown.err


def test_two_commands_of_one_person_differ(served):
    values = []
    for _ in range(2):
        assert main(["pause", "podinfo", "--force", "--kubeconfig", served.kubeconfig]) == 0
        values.append(served.do(lambda world: world.annotations())[COMMAND_ANNOTATION])
    assert values[0] != values[1]


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("command", ["get", "status"])
@pytest.mark.parametrize("color", [True, False])
def test_a_terminal_gets_a_live_view(in_world, status, monkeypatch, command, color):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Tty()

    async def test(world):
        await world.create()
        plain = world.session()
        session = Session(plain.client, "shop", plain.clock, plain.rng, Terminal(out, io.StringIO(), color=color))
        show = watch(session, "", everywhere=False, form=None) if command == "get" else watch_status(session, "podinfo")
        task = asyncio.create_task(show)
        await asyncio.sleep(1)
        await world.report(status(canaryWeight=100, step=4))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    in_world(test)
    shown = out.getvalue()
    assert "\x1b[?25l" in shown
    assert shown.count("\x1b[?25h") == 1
    assert "100%" in shown
    assert bool(re.search(r"\x1b\[3[0-9]m", shown)) is color


def test_the_sandbox_serves_until_it_is_told_to_stop(tmp_path):
    path = tmp_path / "kubeconfig"
    process = subprocess.Popen(
        [sys.executable, "-m", "canary.cli.main", "sandbox", "--kubeconfig", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = [process.stdout.readline() for _ in range(6)]
        assert f"export KUBECONFIG={path}\n" in lines[2]
        assert path.stat().st_mode & 0o777 == 0o600
        kubectl = [str(Path(sys.executable).with_name("kubectl")), "--kubeconfig", str(path)]
        found = subprocess.run([*kubectl, "get", "crds", "-o", "name"], capture_output=True, text=True, timeout=40)
        assert "canaries.canary.delivery" in found.stdout
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (0, "", "The sandbox has ended; nothing of it is kept.\n")


def test_a_port_that_is_taken_is_one_clear_line(served, capsys):
    server = yaml.safe_load(Path(served.kubeconfig).read_text())["clusters"][0]["cluster"]["server"]
    port = re.search(r":([0-9]+)/", server)[1]
    assert main(["sandbox", "--port", port]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("Error: the sandbox cannot start: ")
    assert shown.count("\n") == 1


def test_the_kubeconfig_of_a_sandbox_without_a_name_is_removed():
    out = io.StringIO()

    async def test():
        stop = asyncio.Event()
        stop.set()
        await sandbox(Terminal(out, io.StringIO()), stop=stop)

    asyncio.run(test())
    path = re.search(r"KUBECONFIG=(\S+)", out.getvalue())[1]
    assert not os.path.exists(path)


def test_json_goes_through_a_pipe_that_closes_early(served):
    command = [sys.executable, "-m", "canary.cli.main", "get", "-o", "json", "--kubeconfig", served.kubeconfig]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    assert [item["metadata"]["name"] for item in json.loads(ended.stdout)["items"]] == ["api", "podinfo"]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=50)
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_what_is_written_is_managed_by_canary_cli(served):
    """Flux takes over the fields of every manager whose name begins with kubectl."""
    assert main(["pause", "podinfo", "--kubeconfig", served.kubeconfig]) == 0

    async def managers(world):
        found = await world.cluster.client.get(CANARIES, "podinfo", "shop")
        return [e["manager"] for e in found["metadata"]["managedFields"] if COMMAND_ANNOTATION in json.dumps(e)]

    assert served.do(managers) == ["canary-cli"]
