"""The program as a shell sees it: names, help, errors, exit codes, what it imports."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from canary import __version__
from canary.cli import main as program
from canary.cli.main import main, program_name

HEAVY = ("kubernetes_asyncio", "aiohttp", "rich", "asyncio", "msgspec", "yaml", "structlog")


def imported_by(*arguments: str) -> set[str]:
    """Which of the heavy modules a fresh process has imported at the end of a command."""
    script = (
        "import sys\nfrom canary.cli.main import main\n"
        f"code = main({list(arguments)!r})\n"
        f"print('IMPORTED', *(m for m in {HEAVY!r} if m in sys.modules), file=sys.stderr)\nsys.exit(code)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=True)
    return set(ended.stderr.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["wait", "--help"], ["run", "--help"], ["version"]])
def test_help_and_version_import_nothing_heavy(arguments):
    assert imported_by(*arguments) == set()


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    words = "get status wait promote approve abort pause resume retry crd version completion run lint demo sandbox"
    assert all(f"\n  {word} " in shown for word in words.split())
    assert "..." not in shown.partition("Commands:")[2]


def test_the_plugin_shows_its_usage_as_kubectl_calls_it(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-canary", "wait", "--help"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("Usage: kubectl canary wait ")


@pytest.mark.parametrize(
    ("argv0", "name"),
    [("/bin/canary", "canary"), ("kubectl-canary", "kubectl canary"), ("kubectl-canary.exe", "kubectl canary")],
)
def test_the_name_is_taken_from_how_the_program_is_called(argv0, name):
    assert program_name(argv0) == name


def test_the_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"canary {__version__}\n"


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_the_version_can_be_read_by_programs(capsys, form, load):
    assert main(["version", "-o", form]) == 0
    assert load(capsys.readouterr().out) == {"version": __version__, "apiVersion": "canary.delivery/v1beta1"}


def test_crd_prints_the_definition(capsys):
    assert main(["crd"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["metadata"]["name"] == "canaries.canary.delivery"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "No such command 'nonsense'. See: canary --help"),
        (["wait"], "Missing argument 'name'. See: canary wait --help"),
        (["wait", "x", "--for", "weight>=0"], "--for must be promoted, rolled-back, paused, ready, or weight>=N"),
        (["wait", "x", "--timeout", "soon"], "must be a duration such as 30s"),
        (["get", "x", "-A"], "leave out --all-namespaces"),
        (["get", "-o", "xml"], "'xml' is not one of"),
        (["run", "--listen", "8080"], "must be HOST:PORT"),
        (["run", "--workers", "0"], "--workers"),
        (["get", "--nope"], "No such option"),
    ],
)
def test_wrong_usage_is_code_1_and_one_line(capsys, arguments, words):
    assert main(arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Error: ")
    assert shown.err.count("\n") == 1
    assert words in shown.err


def test_a_defect_is_one_line_unless_debugged(capsys, monkeypatch):
    def broken(arguments, name):
        raise RuntimeError("boom")

    monkeypatch.setattr(program, "_run", broken)
    assert main(["get"]) == 1
    assert capsys.readouterr().err == "Error: unexpected RuntimeError: boom; --debug shows where it comes from\n"
    with pytest.raises(RuntimeError, match="boom"):
        main(["get", "--debug"])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, "Error: there is no kubeconfig at "),
        ("{]", "Error: kubeconfig: "),
        ("{apiVersion: v1, kind: Config, contexts: []}", "Error: kubeconfig: "),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_one_clear_line(capsys, tmp_path, config, words):
    path = tmp_path / "config"
    if config is not None:
        path.write_text(config)
    assert main(["get", "--kubeconfig", str(path)]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(words)
    assert shown.count("\n") == 1


def kubeconfig(server, namespace="shop"):
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
            "current-context": "x",
        }
    )


def test_a_server_that_is_not_there_is_one_clear_line(capsys, tmp_path):
    path = tmp_path / "config"
    path.write_text(kubeconfig("http://127.0.0.1:9"))
    assert main(["status", "podinfo", "--kubeconfig", str(path)]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("Error: the API server cannot be reached: ")
    assert shown.count("\n") == 1
