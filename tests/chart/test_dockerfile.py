"""The Dockerfile, as far as it can be checked without building an image."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTRUCTIONS = {"FROM", "RUN", "COPY", "ENV", "WORKDIR", "USER", "EXPOSE", "ENTRYPOINT", "CMD", "LABEL"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@dataclass
class Stage:
    image: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def of(self, instruction: str) -> list[str]:
        return [argument for word, argument in self.steps if word == instruction]


def stages(text: str) -> list[Stage]:
    """The stages with their instructions; lines that end in a backslash are joined."""
    found: list[Stage] = []
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        word, _, argument = line.partition(" ")
        if word == "FROM":
            image, _, name = argument.partition(" AS ")
            found.append(Stage(image, name))
        else:
            found[-1].steps.append((word, argument))
    return found


BUILD, FINAL = stages((ROOT / "Dockerfile").read_text())


def test_only_known_instructions_are_used_and_nothing_is_fetched_by_add() -> None:
    assert {word for stage in (BUILD, FINAL) for word, _ in stage.steps} <= INSTRUCTIONS


@pytest.mark.parametrize("stage", [BUILD, FINAL], ids=["build", "final"])
def test_the_base_image_is_pinned_to_a_patch_release(stage: Stage) -> None:
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", stage.image)


def test_the_python_of_the_image_is_one_that_the_project_supports() -> None:
    assert PROJECT["requires-python"] == ">=3.11"


def test_it_runs_as_a_numeric_user_who_is_not_root() -> None:
    (user,) = FINAL.of("USER")
    assert user == "65532:65532"


def test_no_shell_is_needed() -> None:
    assert all(
        json.loads(step) for stage in (BUILD, FINAL) for word in ("RUN", "CMD", "ENTRYPOINT") for step in stage.of(word)
    )
    assert FINAL.of("RUN") == []


def test_dependencies_are_installed_from_the_lock_with_hashes() -> None:
    installs = [json.loads(step) for step in BUILD.of("RUN") if "install" in json.loads(step)]
    locked, build, own = installs
    assert {"--require-hashes", "--no-deps", "requirements.txt"} <= set(locked)
    assert {"--require-hashes", "--no-deps", "requirements-build.txt"} <= set(build)
    assert {"--no-index", "--no-deps", PROJECT["name"]} <= set(own)


def requirements(name: str) -> dict[str, str]:
    """Each locked requirement with its hashes."""
    lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    split = [line.partition(" ") for line in lines if line.strip() and not line.startswith("#")]
    return {requirement: " ".join(hashes.split()) for requirement, _, hashes in split}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_the_lock_has_a_hash_for_every_requirement(name: str) -> None:
    assert all("--hash=sha256:" in hashes for hashes in requirements(name).values())


def test_the_image_is_built_with_the_build_tools_of_the_lock() -> None:
    assert requirements("requirements-build.txt").items() <= requirements("requirements-dev.txt").items()


def test_nothing_is_built_with_tools_that_are_not_locked() -> None:
    (wheel,) = (json.loads(step) for step in BUILD.of("RUN") if "wheel" in json.loads(step))
    assert "--no-build-isolation" in wheel


def test_the_entry_point_is_a_script_of_the_project() -> None:
    (entry,), (command,) = FINAL.of("ENTRYPOINT"), FINAL.of("CMD")
    assert json.loads(entry)[0] in PROJECT["scripts"]
    assert json.loads(command) == ["run"]


def sources() -> list[str]:
    copies = [argument.split() for argument in BUILD.of("COPY")]
    return [source for *found, _ in copies for source in found]


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path of the first level out of the build: the last pattern that matches wins."""
    result = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#") and fnmatch.fnmatch(path, pattern.lstrip("!")):
            result = not pattern.startswith("!")
    return result


@pytest.mark.parametrize("source", sources())
def test_what_is_copied_exists_and_is_not_ignored(source: str) -> None:
    assert (ROOT / source).exists()
    assert not ignored(source)


@pytest.mark.parametrize("path", [".git", ".venv", ".cache", "tests", "e2e", "docs", "Makefile"])
def test_nothing_else_is_sent_to_the_builder(path: str) -> None:
    assert ignored(path)


def test_the_last_stage_copies_from_the_first_one_only() -> None:
    assert FINAL.of("COPY") == [f"--from={BUILD.name} /opt/canary /opt/canary"]
