"""The page of the state machine is what the table says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from canary.core.phases import TRANSITIONS, Phase, Trigger, mermaid

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def render():
    return runpy.run_path(str(DOCS / "render.py"))


def test_the_page_is_up_to_date(render):
    assert (DOCS / "state-machine.md").read_text(encoding="utf-8") == render["page"](), "run `make generate`"


def test_every_phase_and_trigger_is_explained(render):
    assert set(render["PHASES"]) == set(Phase)
    assert set(render["TRIGGERS"]) == set(Trigger)


def test_the_diagram_has_every_transition_and_no_other():
    drawn = {
        (source, label, target)
        for source, target, labels in re.findall(r"^    (\w+) --> (\w+): (.+)$", mermaid(), re.MULTILINE)
        for label in labels.split("<br/>")
    }

    assert drawn == {(source.value, trigger.value, target.value) for (source, trigger), target in TRANSITIONS.items()}
