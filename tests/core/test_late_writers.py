"""Writes that a stopped process had prepared: in the next situation they are not due, or their object has moved on.

A process reads an object, then the split, asks what is due, and may then be stopped for long. Its write lands unless
the object was written since. So whatever was due in one phase must have become impossible before the next one.
"""

from __future__ import annotations

import pytest

from canary.core.actions import Deed, due
from canary.core.phases import Phase
from canary.core.window import Sample
from canary.core.workload import Selects

BAD = Sample(0.0, 1000.0, {"p99": 0.1})


def prepared(r, deed):
    """The first action that is due, and the write of its object that it was prepared on."""
    found = [action for action in due(r.observed, r.memory, r.now) if action.deed is deed]
    assert found, (r.due, r.outlook)
    return found[0]


def test_a_promotion_that_was_prepared_before_a_breach_conflicts_once_the_rollback_is_closed(managed):
    """A reads stable in Promoting, B breaches, A writes: the stamp has changed the object."""
    r = managed().opening()
    late = prepared(r, Deed.WRITE_STABLE)
    read = r.stable.stamp
    r.abort = "@t"
    r.look()
    assert "WriteStable" not in r.due
    assert "StampStable" in r.due
    r.until_phase(Phase.ROLLED_BACK)

    assert r.stable.stamp > read
    assert r.stable.stamp >= late.stamp
    assert r.stable.revision == "r1"


def test_a_rollback_is_not_closed_before_stable_is_stamped(managed):
    r = managed().promoting()
    r.abort = "@t"
    r.look()
    stamp = r.stable.stamp
    for _ in range(100):
        r.wait(10)
        r.look(r.reading())

    assert r.phase is Phase.ROLLING_BACK
    assert r.stable.stamp == stamp


def test_a_rollback_is_not_closed_before_the_promoted_template_is_back(managed):
    r = managed().promoting()
    r.rest()
    r.abort = "@t"
    r.look()
    r.stable.stamp = 99
    for _ in range(100):
        r.wait(10)
        r.look(r.reading())

    assert r.phase is Phase.ROLLING_BACK


def test_a_promotion_that_finds_its_template_in_place_still_stamps_it(managed):
    """What was prepared in an earlier phase could put another template there after the promotion is closed."""
    r = managed().opening()
    r.stable.revision, r.cluster.stable.pods = "r2", []
    r.cluster.roll(r.wall)
    r.wait(10)
    r.look(r.reading())
    assert r.phase is Phase.PROMOTING

    r.until_phase(Phase.PROMOTED)
    assert "StampStable" in r.writes


def test_an_unpromoted_template_does_not_stay_on_stable_when_another_revision_comes(managed):
    r = managed().promoting()
    r.rest()
    r.push("r3")
    r.look()
    assert r.phase is Phase.ROLLING_BACK
    assert prepared(r, Deed.WRITE_STABLE).revision == "r1"

    r.until_phase(Phase.PROGRESSING)
    assert r.stable.revision == "r1"


def test_an_unpromoted_template_does_not_stay_on_stable_when_the_split_is_lost(managed):
    r = managed().promoting()
    r.rest()
    r.split = None
    r.look()

    assert prepared(r, Deed.WRITE_STABLE).revision == "r1"


def test_a_scale_down_that_was_prepared_at_weight_0_conflicts_before_the_first_weight(managed):
    """A prepares the scale-down, B begins and raises, A scales: the candidate was written in between."""
    r = managed().until(50)
    r.abort = "@t"
    r.rest()
    r.wait(15)
    r.look(r.reading())
    prepared(r, Deed.SCALE_CANDIDATE)
    read = r.candidate.stamp
    r.command = ""
    r.push("r3")
    r.until(5)

    assert r.candidate.stamp > read
    assert r.candidate.stamp >= r.log[-2].state.entered


def test_no_weight_comes_while_a_scale_down_is_due(managed):
    """Within one phase: what one process is about to shrink, no other may raise."""
    r = managed().begin()
    r.wait(60)
    r.candidate.scale(4)
    r.candidate.roll(r.wall)
    r.rest()
    r.candidate.scale(4)
    r.candidate.roll(r.wall)
    assert prepared(r, Deed.SCALE_CANDIDATE).replicas == 1
    r.look(r.reading())

    assert r.weight == 0


def test_after_a_loss_the_target_is_written_again_before_the_first_weight(managed):
    r = managed().until(5)
    r.candidate.pods, r.candidate.quota = [], 0
    r.rest()
    r.wait(1)
    r.look()
    assert r.weight == 0
    r.candidate.quota = 4
    r.cluster.roll(r.wall)
    r.wait(60)
    r.look(r.reading())
    assert r.weight == 0

    r.rest()
    assert r.candidate.stamp >= r.state.change.seq


@pytest.mark.parametrize("stamp", [0, 1, 2, 9])
def test_a_root_that_was_about_to_select_stable_is_written_before_the_split_goes(managed, stamp):
    """A reads the root in Initializing, the Canary is deleted, split and copy go, A points the root at nothing."""
    r = managed().initializing()
    while "PointRoot" not in r.due:
        r.act()
    prepared(r, Deed.POINT_ROOT)
    root = r.cluster.root = type(r.cluster.root)(True, Selects.CANDIDATE, "", min(stamp, r.state.seq))
    target = r.candidate.stamp
    r.delete()
    while r.split is not None:
        assert r.step() or not r.wait(10)

    assert r.cluster.root.stamp > root.stamp
    assert r.candidate.stamp > target


def test_who_has_not_heard_of_the_deletion_reads_it_in_the_split(managed):
    r = managed().initializing()
    r.delete()
    r.look()
    r.seen.clear()

    assert r.due == []


def test_a_revision_that_the_record_bars_is_not_written_to_stable(managed):
    """A projects a rejection, the split is lost, B decides on an older view."""
    r = managed().opening()
    r.projects = False
    r.record = type(r.record)(seq=r.state.seq, rejected=("r2",), serving=r.state.serving, promoted="r1")

    assert "WriteStable" not in r.due
    r.windows(5)
    assert r.stable.revision == "r1"


def test_nothing_is_due_while_too_little_is_known(managed):
    r = managed().opening()

    assert due(r.observed, r.memory, r.now)
    for field in ("split_known", "workload"):
        r.seen = {field: False if field == "split_known" else None}
        assert r.due == []
