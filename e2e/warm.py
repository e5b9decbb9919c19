"""Controllers that start at once: an interpreter that has read the program already waits for its arguments.

Most of the time that `canary run` takes to start is the reading of its modules. One spare does that while a test waits
for other things, and becomes the next controller. It gets the end of its standard input when the tests end, and ends.

Run as `python -m e2e.warm`: the first line of the input is `{"log": <file>, "arguments": [...]}`.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from pathlib import Path

from e2e.plane.process import Process

ROOT = Path(__file__).parent.parent


class WarmProcess(Process):
    """A process of `canary` with these arguments."""

    def __init__(self, name: str, arguments: list[str], log: Path) -> None:
        super().__init__(name, [sys.executable, "-m", "canary", *arguments], log, cwd=ROOT)
        self._order = json.dumps({"log": str(log), "arguments": arguments}).encode() + b"\n"

    def _spawn(self) -> subprocess.Popen[bytes]:
        child = _spares.take()
        assert child.stdin is not None  # it was started with a pipe
        child.stdin.write(self._order)
        child.stdin.flush()
        return child


class _Spares:
    """One interpreter that waits."""

    def __init__(self) -> None:
        self._waiting: subprocess.Popen[bytes] | None = None
        atexit.register(self.end)

    def take(self) -> subprocess.Popen[bytes]:
        child = self._waiting if self._waiting is not None and self._waiting.poll() is None else self._started()
        self._waiting = self._started()
        return child

    def end(self) -> None:
        if self._waiting is not None:
            self._waiting.kill()
            self._waiting.communicate()

    @staticmethod
    def _started() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "e2e.warm"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, cwd=ROOT)


_spares = _Spares()


def _become(line: bytes) -> int:
    order = json.loads(line)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    sys.argv = ["canary", *order["arguments"]]
    return main()


if __name__ == "__main__":
    from canary.cli import run  # noqa: F401  # read now, for it is used then
    from canary.cli.main import main

    order_line = sys.stdin.buffer.readline()
    sys.exit(_become(order_line) if order_line else 0)
