"""What an event says, and how what is too long for the API is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.kube.recorder import Reference, cut


async def test_an_event_is_complete(recording, event):
    it = recording()
    split = Reference("split.smi-spec.io/v1alpha2", "TrafficSplit", "podinfo", "shop", "uid-2")
    it.record(event(type="Warning", related=split, annotations={"canary.delivery/weight": "10"}))
    await it.flush()
    found = it.server.only
    name = found["metadata"].pop("name")
    assert name.startswith("podinfo.")
    assert found == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "shop", "annotations": {"canary.delivery/weight": "10"}},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "canary.delivery/controller",
        "reportingInstance": "canary-0",
        "type": "Warning",
        "reason": "WeightAdvanced",
        "action": "Advance",
        "note": "weight 10",
        "regarding": {
            "apiVersion": "canary.delivery/v1beta1",
            "kind": "Canary",
            "name": "podinfo",
            "namespace": "shop",
            "uid": "uid-1",
            "resourceVersion": "7",
        },
        "related": {
            "apiVersion": "split.smi-spec.io/v1alpha2",
            "kind": "TrafficSplit",
            "name": "podinfo",
            "namespace": "shop",
            "uid": "uid-2",
        },
    }


async def test_events_about_objects_without_a_namespace_go_to_default(recording, event):
    it = recording()
    it.record(event(regarding=Reference("v1", "Node", "n1")))
    await it.flush()
    assert next(iter(it.server.events))[0] == "default"


@given(st.text(max_size=2000))
def test_a_note_is_cut_to_its_bytes_between_characters(note: str):
    short = cut(note)
    data = short.encode()
    assert len(data) <= 1024
    if len(note.encode()) <= 1024:
        assert short == note
    else:
        assert note.startswith(short.removesuffix("…"))
        assert len(data) > 1024 - 3 - 4


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize("character", ["é", "€", "😀"])
def test_a_note_is_never_cut_inside_a_character(offset: int, character: str):
    short = cut("x" * offset + character * 1024)
    assert set(short) <= {"x", character, "…"}
    assert 1024 - 4 < len(short.encode()) <= 1024


def test_a_note_that_is_no_unicode_is_still_a_note():
    assert cut("bad \udc80") == "bad ?"


async def test_words_and_names_that_are_too_long_are_cut(recording, event):
    it = recording(instance="i" * 200)
    it.record(event(regarding=Reference("v1", "Pod", "p" * 253, "shop"), reason="R" * 200, action=""))
    await it.flush()
    found = it.server.only
    assert len(found["metadata"]["name"]) == 253
    assert [len(found[field]) for field in ("reason", "action", "reportingInstance")] == [128, 128, 128]
