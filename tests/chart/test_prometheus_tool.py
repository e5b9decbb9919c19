"""Where the tests' Prometheus comes from, and what is said when it does not come."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Commands = list[list[str]]


@pytest.fixture
def apt(tools: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Commands]:
    """A machine with apt, whose commands fail while `failing` says so; returns the commands that were run."""

    def install(failing: Callable[[Commands], bool], *, root: bool = True, path: str | None = None) -> Commands:
        commands: Commands = []

        def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
            commands.append(command)
            if failing(commands):
                return subprocess.CompletedProcess(command, 100)
            if command[:2] == ["apt-get", "download"]:
                (options["cwd"] / "prometheus_2.42.0_amd64.deb").touch()
            if command[0] == "dpkg-deb":
                (options["cwd"] / command[-1] / "usr" / "bin").mkdir(parents=True)
                (options["cwd"] / command[-1] / "usr" / "bin" / "prometheus").touch()
            return subprocess.CompletedProcess(command, 0)

        monkeypatch.setattr(tools.subprocess, "run", run)
        monkeypatch.setattr(tools.os, "geteuid", lambda: 0 if root else 1000)
        monkeypatch.setattr(tools.shutil, "which", lambda name: path if name == "prometheus" else f"/usr/bin/{name}")
        return commands

    return install


def test_the_package_is_unpacked_and_not_installed(tools: Any, tmp_path: Path, apt: Callable[..., Commands]) -> None:
    commands = apt(lambda _: False)
    assert tools.prometheus(tmp_path).is_file()
    assert [command[:2] for command in commands] == [["apt-get", "download"], ["dpkg-deb", "-x"]]


def test_it_is_fetched_once(tools: Any, tmp_path: Path, apt: Callable[..., Commands]) -> None:
    commands = apt(lambda _: False)
    assert tools.prometheus(tmp_path) == tools.prometheus(tmp_path)
    assert len(commands) == 2


def test_root_fetches_missing_package_lists(tools: Any, tmp_path: Path, apt: Callable[..., Commands]) -> None:
    commands = apt(lambda run: len(run) == 1)
    assert tools.prometheus(tmp_path).is_file()
    assert ["apt-get", "update"] in commands


def test_others_are_told_to_do_so(tools: Any, tmp_path: Path, apt: Callable[..., Commands]) -> None:
    apt(lambda _: True, root=False)
    with pytest.raises(tools.ToolsError, match="run apt-get update as root first; install one, see https://prometheus"):
        tools.prometheus(tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_else_the_one_on_the_path_is_used(tools: Any, tmp_path: Path, apt: Callable[..., Commands]) -> None:
    apt(lambda _: True, path="/opt/prometheus")
    assert tools.prometheus(tmp_path) == Path("/opt/prometheus")


def test_a_package_that_cannot_be_unpacked_is_named(tools: Any, tmp_path: Path, apt: Callable[..., Commands]) -> None:
    apt(lambda run: run[-1][0] == "dpkg-deb")
    with pytest.raises(tools.ToolsError, match=r"dpkg-deb could not unpack prometheus_2\.42\.0_amd64\.deb"):
        tools.prometheus(tmp_path)
