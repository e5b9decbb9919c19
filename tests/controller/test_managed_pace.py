"""How fast the workload of one Canary is written, when somebody else undoes it."""

from __future__ import annotations

import pytest

from canary.controller.managed.findings import GAP, Findings
from canary.core.actions import Action, Deed


@pytest.mark.parametrize(
    "action",
    [Action(Deed.FILL_GAP, part="Service/web-canary"), Action(Deed.PIN, revision="r2")],
    ids=["a part", "a kept template"],
)
def test_what_was_made_a_moment_ago_is_not_made_again_at_once(action):
    findings = Findings()
    assert findings.wait(action, 100.0) == 0.0
    findings.did(action, 100.0)
    assert findings.wait(action, 100.25) == GAP - 0.25
    assert findings.wait(action, 101.0) == 0.0


def test_other_parts_are_made_meanwhile():
    findings = Findings()
    findings.did(Action(Deed.PIN, revision="r2"), 100.0)
    assert findings.wait(Action(Deed.PIN, revision="r3"), 100.0) == 0.0
    assert findings.wait(Action(Deed.FILL_GAP, part="ControllerRevision/web"), 100.0) == 0.0
    assert findings.wait(Action(Deed.SCALE_CANDIDATE, replicas=1), 100.0) == 0.0


def test_a_fight_that_nobody_wins_is_slow_and_told():
    findings, action, now = Findings(), Action(Deed.SCALE_CANDIDATE, replicas=1), 100.0
    while not (wait := findings.wait(action, now)):
        findings.did(action, now)
    assert wait > 1.0
    assert "somebody else changes it again" in findings.problem
