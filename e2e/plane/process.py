"""One child process with a log file, that neither outlives its test nor hides why it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_TAIL = 6000


class ProcessFailed(Exception):
    """A process ended, or did not get ready; the message carries the end of its log."""


class Process:
    """A command in a process group of its own.

    Its standard input is a pipe that closes when this process ends, however it ends: the programs of the plane take
    that as the sign to stop.
    """

    def __init__(self, name: str, command: Sequence[str | Path], log: Path, *, cwd: Path | None = None) -> None:
        self.name = name
        self._command = [str(part) for part in command]
        self._log = log
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        if not self.running:
            self._child = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self._cwd,
            )

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Polls `ready`; raises `ProcessFailed` when the process ends first or `timeout` seconds are over."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running:
                code = self._child.returncode if self._child is not None else "never started"
                raise ProcessFailed(f"{self.name} ended ({code}); the end of {self._log}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{self.name} was not ready in {timeout:.0f} s; {self._log}:\n{self.tail()}")
            time.sleep(0.05)

    def wait(self, timeout: float) -> int | None:
        """Waits for the end; the exit code, `None` when it never was started. Raises `ProcessFailed` at the timeout."""
        if self._child is None:
            return None
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired as error:
            message = f"{self.name} has not ended in {timeout:.0f} s; {self._log}:\n{self.tail()}"
            raise ProcessFailed(message) from error

    def stop(self, grace: float = 10.0) -> int | None:
        """SIGTERM, then after `grace` seconds SIGKILL to its group; the exit code. Stopping twice is fine: `None`."""
        child, self._child = self._child, None
        if child is None:
            return None
        self._signal(child, signal.SIGTERM)
        try:
            child.wait(grace)
        except subprocess.TimeoutExpired:
            self._signal(child, signal.SIGKILL)
            child.wait(10.0)
        finally:
            if child.stdin is not None:
                child.stdin.close()
        return child.returncode

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the process's group."""
        if self._child is not None:
            self._signal(self._child, number)

    def kill(self) -> None:
        """SIGKILL to the group, at once."""
        if self._child is not None:
            self._signal(self._child, signal.SIGKILL)
            self.stop()

    def tail(self) -> str:
        """The last lines of the log."""
        if not self._log.exists():
            return "(no log)"
        return self._log.read_bytes()[-_TAIL:].decode("utf-8", "replace")

    @staticmethod
    def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
