"""Logs as lines on stderr, JSON or text, without ever making the event loop wait for whoever reads them.

A line is `time` (UTC), `level`, `logger`, `message` (a constant), and keys. Lines go through a bounded queue to a
thread that writes them: a pipe that nobody empties costs lines, never a rollback.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any

import msgspec
import structlog

from canary.server.settings import LogFormat, LogLevel

CAPACITY = 10_000
"""Lines that may wait; more are dropped and counted."""
FLUSH = 1.0
"""Seconds for which the end of the program waits for the last lines."""
_BATCH = 256

Fields = MutableMapping[str, Any]


class LineWriter:
    """Writes lines to the file descriptor `fd` from a thread of its own. Lines that cannot be written are `dropped`.

    It uses no buffered stream: the interpreter aborts when it ends while a thread hangs in one.
    """

    def __init__(self, fd: int, capacity: int = CAPACITY) -> None:
        self.dropped = 0
        self._fd = fd
        self._capacity = capacity
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Take one line, without its end. Never blocks for longer than the writer needs to take a batch."""
        with self._changed:
            if self._closed or len(self._lines) >= self._capacity:
                self.dropped += 1
                return
            self._lines.append(line)
            self._changed.notify()

    def close(self, timeout: float = FLUSH) -> None:
        """Write what waits, for at most `timeout` seconds; later lines are dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._lines and not self._closed:
                    self._changed.wait()
                batch = [self._lines.popleft() for _ in range(min(_BATCH, len(self._lines)))]
            if not batch:
                return
            try:
                _write_all(self._fd, b"\n".join((*batch, b"")))
            except OSError:
                # The reader has gone: nobody is left to be told.
                self.dropped += len(batch)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


class _Logger:
    """What structlog calls at the end of its processors, for each level by its name."""

    def __init__(self, writer: LineWriter, name: str) -> None:
        self.name = name
        self._write = writer.write

    def msg(self, line: bytes) -> None:
        self._write(line)

    debug = info = warning = error = critical = exception = fatal = log = msg


class _FromLogging(logging.Handler):
    """Hands on what libraries log by the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def configure(writer: LineWriter, *, level: LogLevel, form: LogFormat, color: bool = False) -> None:
    """Send everything that is logged in this process to `writer`. Libraries are heard from `warning` on.

    Below that some of them log the requests that they send, with the credentials in them.
    """
    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _add_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            *_renderers(form, color=color),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *names: _Logger(writer, names[0] if names else "canary"),
        cache_logger_on_first_use=False,
    )
    handler = _FromLogging()
    logging.basicConfig(handlers=[handler], level=max(least, logging.WARNING), force=True)


def _add_name(logger: Any, method: str, fields: Fields) -> Fields:
    fields["logger"] = logger.name
    return fields


def _renderers(form: LogFormat, *, color: bool) -> list[Callable[[Any, str, Fields], Any]]:
    if form == "json":
        return [structlog.processors.format_exc_info, _json]
    console = structlog.dev.ConsoleRenderer(colors=color, timestamp_key="time", pad_event_to=24)
    return [lambda logger, method, fields: console(logger, method, fields).encode("utf-8", "replace")]


_encoder = msgspec.json.Encoder(enc_hook=str)


def _json(logger: Any, method: str, fields: Fields) -> bytes:
    first = {
        "time": fields.pop("time"), "level": fields.pop("level"), "logger": fields.pop("logger"),
        "message": fields.pop("event"),
    }  # fmt: skip
    line = {**first, **fields}
    try:
        return _encoder.encode(line)
    except (TypeError, ValueError, RecursionError):
        # A lone surrogate, a key that is none: a line that reads badly is better than none.
        return _encoder.encode({key: ascii(value) for key, value in line.items()})
