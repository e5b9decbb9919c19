"""Builders and the corpus that the tests of the resource share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent


def _corpus(name: str, key: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))[key]
    return cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `good`, `bad` or `change` runs once for each such case of the corpus."""
    files = {
        "good": ("good_specs.yaml", "specs"),
        "bad": ("bad_specs.yaml", "specs"),
        "change": ("updates.yaml", "updates"),
    }
    for fixture, (name, key) in files.items():
        if fixture in metafunc.fixturenames:
            cases = _corpus(name, key)
            metafunc.parametrize(fixture, cases, ids=[case["name"] for case in cases])


@pytest.fixture
def spec() -> Callable[..., dict[str, Any]]:
    """Makes a valid spec, with overrides."""

    def make(**overrides: Any) -> dict[str, Any]:
        return {
            "backends": {"stable": "web-v1", "canary": "web-v2"},
            "service": {"name": "web"},
            "steps": [{"weight": 10, "hold": "1m"}, {"weight": 50, "hold": "5m"}],
            **overrides,
        }

    return make


@pytest.fixture
def managed() -> dict[str, Any]:
    """A valid spec of managed mode."""
    return {"targetRef": {"name": "web"}, "service": {"name": "web"}, "steps": [{"weight": 10, "hold": "1m"}]}
