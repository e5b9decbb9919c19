"""The reader of the audit log by itself, on a file that a test writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.plane.audit import AuditLog

BEFORE, AFTER = "2000-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"


def line(uri: str, received: str) -> bytes:
    event = {"verb": "get", "stage": "ResponseComplete", "user": {}, "requestURI": uri}
    return json.dumps({**event, "requestReceivedTimestamp": received}).encode() + b"\n"


@pytest.mark.parametrize("written", [0, 1, 40, -1, None], ids=["nothing", "a byte", "a part", "no end", "all"])
def test_a_mark_amid_a_line_begins_after_it(tmp_path: Path, written: int | None) -> None:
    log = AuditLog(tmp_path / "audit.log")
    first, second, third = line("/first", BEFORE), line("/second", BEFORE), line("/third", AFTER)
    log.path.write_bytes(first + second[:written])
    mark = log.mark()
    log.path.write_bytes(first + second + third)
    assert [event.uri for event in log.since(mark)] == ["/third"]


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    log.path.write_bytes(line("/first", AFTER) + line("/second", AFTER)[:40])
    assert [event.uri for event in log.since()] == ["/first"]


def test_a_mark_before_the_first_request_leaves_nothing_out(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    mark = log.mark()
    log.path.write_bytes(line("/first", AFTER))
    assert [event.uri for event in log.since(mark)] == ["/first"]
