"""Runs a program that would outlive its test: `python -m e2e.plane.tether COMMAND…`.

The program is ended with SIGTERM when the standard input of this process ends, as it does when the test's process ends,
however that ends; and with SIGKILL when it takes longer than `GRACE` over it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

GRACE = 5.0


def run(command: list[str]) -> int:
    """The exit code of the program."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    threading.Thread(target=_follow_input, args=(child,), daemon=True).start()
    return child.wait()


def _follow_input(child: subprocess.Popen[bytes]) -> None:
    # Not through `sys.stdin`, whose lock a thread that still reads would hold while the interpreter ends.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    child.kill()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
