"""What the tests of the decision share: builders, the driver of a rollout, and a record of the moves it makes."""

from __future__ import annotations

from typing import Any

import pytest

from canary.core import situation
from canary.core.phases import Phase, move
from canary.core.rules import rebuild
from canary.core.window import Sample
from tests.core.managed import Managed
from tests.core.rollout import BAD, GOOD, Rollout, make_gone, make_plan, make_side


@pytest.fixture(scope="session")
def rollout() -> type[Rollout]:
    return Rollout


@pytest.fixture(scope="session")
def managed() -> type[Managed]:
    return Managed


@pytest.fixture(scope="session")
def plan() -> Any:
    return make_plan


@pytest.fixture(scope="session")
def side() -> Any:
    return make_side


@pytest.fixture(scope="session")
def gone() -> Any:
    return make_gone


@pytest.fixture(scope="session")
def good() -> Sample:
    return GOOD


@pytest.fixture(scope="session")
def bad() -> Sample:
    return BAD


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Phase, Any]]:
    """Every pair that the table was asked for."""
    asked: list[tuple[Phase, Any]] = []

    def record(phase: Phase, trigger: Any) -> Phase:
        asked.append((phase, trigger))
        return move(phase, trigger)

    for module in (situation, rebuild):
        monkeypatch.setattr(module, "move", record)
    return asked
