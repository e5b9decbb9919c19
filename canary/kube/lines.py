"""Lines of any length out of chunks of any length."""

from __future__ import annotations


class LineTooLong(Exception):
    """A line passed the limit before it ended."""


class LineBuffer:
    """Collects chunks and gives out whole lines as bytes, without their ends and without empty ones.

    Only newlines are looked for, so that a character cut in two by a chunk is whole again in its line. Each byte is
    looked at once and copied at most twice, however many chunks a line takes. What follows the last newline is never
    given out.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes. Raises `LineTooLong`."""
        first, *rest = chunk.split(b"\n")
        self._keep(first)
        if not rest:
            return []
        lines = [b"".join(self._parts), *rest[:-1]]
        self._parts, self._size = [], 0
        self._keep(rest[-1])
        return [line for line in map(bytes.strip, lines) if line]

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise LineTooLong(f"a line is longer than {self._limit} bytes")
        self._parts.append(part)
