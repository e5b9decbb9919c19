"""Events that a write of the split says: each one object, whoever posts it and how often."""

from __future__ import annotations

import msgspec
import pytest

from canary.api.canary import Canary
from canary.core.phases import Phase
from canary.core.state import Earlier, Said, State
from canary.kube.recorder import Reference
from canary.notify.events import announce

SPLIT = Reference("split.smi-spec.io/v1alpha4", "TrafficSplit", "podinfo", "shop", "uid-of-split")


class Recorder:
    def __init__(self):
        self.events = []

    def record(self, event):
        self.events.append(event)


def canary():
    return msgspec.json.decode(b'{"metadata": {"name": "podinfo", "namespace": "shop", "uid": "u"}}', type=Canary)


def state(**fields):
    said = (Said("RolledBack", "podinfo-v2 rolled back", True),)
    return State(**{"seq": 7, "phase": Phase.ROLLED_BACK, "revision": "v2-abc", "said": said, **fields})


EARLIER = Earlier(6, Phase.ROLLING_BACK, 0, "v2-abc", (Said("RollbackStarted", "95% is below 99%", True),))


def announced(state, after=0):
    recorder = Recorder()
    announce(recorder, canary(), SPLIT, state, after=after)
    return recorder.events


def test_an_event_is_about_the_canary_and_names_the_split():
    (event,) = announced(state())
    assert (event.regarding.kind, event.regarding.name, event.related) == ("Canary", "podinfo", SPLIT)


def test_an_event_is_known_by_the_canary_the_split_and_the_number_of_the_write():
    assert announced(state())[0].dedupe_id == announced(state())[0].dedupe_id == "u/uid-of-split/7"


def test_the_events_of_the_writes_before_keep_their_own_number_phase_and_weight():
    earlier, last = announced(state(earlier=(EARLIER,)))
    assert (earlier.reason, earlier.dedupe_id, earlier.action) == ("RollbackStarted", "u/uid-of-split/6", "RollingBack")
    assert earlier.annotations["canary.delivery/seq"] == "6"
    assert (last.reason, last.dedupe_id) == ("RolledBack", "u/uid-of-split/7")


def test_what_was_said_already_is_not_said_again():
    assert [event.reason for event in announced(state(earlier=(EARLIER,)), after=6)] == ["RolledBack"]
    assert announced(state(earlier=(EARLIER,)), after=7) == []


@pytest.mark.parametrize("warning", [True, False])
def test_a_warning_is_one(warning):
    (event,) = announced(state(said=(Said("X", "y", warning),)))
    assert event.type == ("Warning" if warning else "Normal")


@pytest.mark.parametrize(
    ("reason", "terminal"),
    [("Promoted", True), ("RolledBack", True), ("RollbackStarted", True), ("StepsChanged", False)],
)
def test_the_end_of_a_rollout_is_never_dropped_for_being_one_event_too_many(reason, terminal):
    (event,) = announced(state(said=(Said(reason, ""),)))
    assert event.terminal is terminal
