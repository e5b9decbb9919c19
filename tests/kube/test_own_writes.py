"""What was written is seen before a watch tells of it, and never after it tells of something later."""

from __future__ import annotations

import msgspec
import pytest

from canary.api.manifest import Manifest
from canary.kube.own_writes import PATIENCE, OwnWrites

KEY = "shop", "web"


class Now:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def writes(now: Now) -> OwnWrites[tuple[str, str], Manifest]:
    return OwnWrites(now)


def make(version: str) -> Manifest:
    return msgspec.convert({"metadata": {"name": "web", "namespace": "shop", "resourceVersion": version}}, Manifest)


def test_without_a_write_the_watch_is_right(writes):
    assert writes.current(KEY, None) is None
    assert writes.current(KEY, make("7")) == make("7")


@pytest.mark.parametrize("told", ["5", "6"], ids=["what it was made over", "something of others in between"])
def test_a_write_is_seen_before_the_watch_tells_of_it(writes, told):
    writes.note(KEY, make("7"), over="5")
    assert writes.current(KEY, make(told)) == make("7")


@pytest.mark.parametrize("told", ["7", "8", "10"])
def test_what_the_watch_tells_later_counts_for_good(writes, told):
    writes.note(KEY, make("7"), over="5")
    assert writes.current(KEY, make(told)) == make(told)
    assert KEY not in writes


def test_a_watch_that_was_faster_than_the_answer_is_right(writes):
    writes.note(KEY, make("7"), over="9")
    assert writes.current(KEY, make("9")) == make("9")


def test_versions_are_no_texts(writes):
    writes.note(KEY, make("10"), over="9")
    assert writes.current(KEY, make("9")) == make("10")


def test_a_creation_is_seen_before_the_watch_tells_of_it(writes):
    writes.note(KEY, make("7"), over="")
    assert writes.current(KEY, None) == make("7")


def test_what_was_there_and_is_gone_is_gone(writes):
    writes.note(KEY, make("7"), over="5")
    assert writes.current(KEY, None) is None


def test_a_deletion_is_seen_before_the_watch_tells_of_it(writes):
    writes.note(KEY, None, over="5")
    assert writes.current(KEY, make("5")) is None
    assert writes.current(KEY, make("9")) == make("9")


def test_of_several_writes_the_last_is_seen(writes):
    writes.note(KEY, make("7"), over="5")
    writes.note(KEY, None, over="5")
    assert writes.current(KEY, make("5")) is None
    assert writes.current(KEY, make("7")) is None


def test_a_watch_that_stays_behind_is_believed_in_the_end(writes, now):
    writes.note(KEY, make("7"), over="5")
    now.at += PATIENCE
    assert writes.current(KEY, make("5")) == make("7")
    now.at += 0.1
    assert writes.current(KEY, make("5")) == make("5")


def test_versions_that_are_no_numbers_are_told_apart_by_name(writes):
    writes.note(KEY, make("b"), over="a")
    assert writes.current(KEY, make("a")) == make("b")
    assert writes.current(KEY, make("c")) == make("c")
