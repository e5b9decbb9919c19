"""One event, one line; and nobody waits for whoever reads."""

from __future__ import annotations

import fcntl
import logging
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from canary.server.logs import LineWriter, configure


def test_a_line_has_time_level_logger_message_and_keys_in_this_order(log: Any) -> None:
    structlog.get_logger("canary.traffic").info("split written", seq=7)
    (line,) = log.lines()
    assert list(line) == ["time", "level", "logger", "message", "seq"]
    when = datetime.fromisoformat(line.pop("time"))
    assert when.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - when) < timedelta(minutes=1)
    assert line == {"level": "info", "logger": "canary.traffic", "message": "split written", "seq": 7}


def test_what_is_bound_to_the_context_is_in_every_line(log: Any) -> None:
    with structlog.contextvars.bound_contextvars(reconcile="2a", namespace="shop"):
        structlog.get_logger("x").info("one")
    structlog.get_logger("x").info("two")
    one, two = log.lines()
    assert (one["reconcile"], one["namespace"]) == ("2a", "shop")
    assert "reconcile" not in two


def test_an_exception_is_one_line(log: Any) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    (line,) = log.lines()
    assert "ValueError: no" in line["exception"]


def test_what_cannot_be_encoded_still_gives_a_line(log: Any) -> None:
    structlog.get_logger("x").info("odd", value={1: object()}, text="\udcff")
    (line,) = log.lines()
    assert line["message"].strip("'") == "odd"


def test_libraries_are_heard_from_warning_on_only(log: Any) -> None:
    logging.getLogger("kubernetes_asyncio.client.rest").debug("response body: %s", "token=secret")
    logging.getLogger("aiohttp").warning("odd %s", "thing")
    (line,) = log.lines()
    assert (line["logger"], line["level"], line["message"]) == ("aiohttp", "warning", "odd thing")


def test_a_level_silences_what_is_below_it(log: Any) -> None:
    configure(log.writer, level="warning", form="json")
    structlog.get_logger("x").info("quiet")
    structlog.get_logger("x").warning("loud")
    assert [line["message"] for line in log.lines()] == ["loud"]


def test_console_lines_are_text(log: Any) -> None:
    configure(log.writer, level="info", form="console")
    structlog.get_logger("canary.traffic").info("split written", seq=7)
    text = log.text()
    assert "split written" in text
    assert "seq=7" in text
    assert "\x1b" not in text


def test_a_pipe_that_nobody_reads_costs_lines_and_no_time() -> None:
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    writer = LineWriter(write, capacity=10)
    for _ in range(1000):
        writer.write(b"x" * 1000)
    # The call that hangs in the pipe holds one batch, the queue holds ten lines more.
    assert 1000 - 10 - 256 - 5 <= writer.dropped <= 990
    os.close(read)
    writer.close()
    os.close(write)


def test_a_reader_that_has_gone_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    writer = LineWriter(write)
    writer.write(b"nobody reads this")
    writer.close()
    assert writer.dropped == 1
    os.close(write)
