"""What the demo starts, it ends: the controller's process, the port, the directory, on every way out."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from canary.kube.clock import SystemClock
from canary.sandbox.demo.lines import Lines
from canary.sandbox.demo.process import ControllerEnded, controller, ended, last_words
from canary.sandbox.demo.stage import Demo, DemoFailed, Interrupted, Options, first

SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def until(reached: Callable[[], object]) -> None:
    """Wait for what another process does: nothing here can tell when it has."""
    async with asyncio.timeout(20):
        while not reached():  # noqa: ASYNC110 # it happens outside of this loop
            await asyncio.sleep(0.02)


async def until_up(log: Path) -> None:
    await until(lambda: last_words(log))


async def test_the_process_ends_with_its_block(tmp_path):
    async with controller(SLEEPER, tmp_path / "log") as process:
        await until_up(tmp_path / "log")
    assert process.returncode == -15
    assert gone(process.pid)


async def test_a_process_that_ignores_sigterm_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("canary.sandbox.demo.process.STOP", 0.2)
    async with controller(STUBBORN, tmp_path / "log") as process:
        await until_up(tmp_path / "log")
    assert process.returncode == -9
    assert gone(process.pid)


async def test_a_process_that_ends_by_itself_is_noticed_and_has_last_words(tmp_path):
    command = (sys.executable, "-c", "import sys; print('no lease'); sys.exit(3)")
    async with controller(command, tmp_path / "log") as process:
        with pytest.raises(ControllerEnded, match="exit code 3"):
            await ended(process)
    assert last_words(tmp_path / "log") == ["no lease"]


async def test_of_several_works_the_first_to_end_ends_the_others():
    cancelled = asyncio.Event()

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async def short() -> None:
        await asyncio.sleep(0)

    await first(long(), short())
    assert cancelled.is_set()


async def test_what_the_first_one_raises_comes_out():
    async def broken() -> None:
        raise OSError("no more files")

    with pytest.raises(OSError, match="no more files"):
        await first(asyncio.sleep(60), broken())


class Run:
    """A demo with a controller that does nothing, in a temporary directory that the test looks into."""

    def __init__(self, directory: Path, command: Sequence[str] = SLEEPER, port: int = 0) -> None:
        self.lines: list[str] = []
        self.directory = directory
        self._command = command
        self.demo = Demo(
            Options(seed=1, port=port, rate=20.0), Lines(self._line), self._line, self._controller, SystemClock()
        )
        self.kubeconfig = Path()

    def _line(self, text: object) -> None:
        self.lines.append(str(text))

    def _controller(self, kubeconfig: Path) -> Sequence[str]:
        self.kubeconfig = kubeconfig
        return self._command

    @property
    def pid(self) -> int:
        return int(next(line for line in self.lines if "process" in line).rsplit(" ", 1)[1])

    async def started(self) -> None:
        await until(lambda: any("must be promoted" in line for line in self.lines))


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def test_a_demo_that_is_stopped_leaves_nothing(directory):
    run, stop = Run(directory), asyncio.Event()
    task = asyncio.create_task(run.demo.run(stop))
    await run.started()
    assert list(directory.iterdir()) == [run.kubeconfig.parent]
    stop.set()
    with pytest.raises(Interrupted):
        await task
    assert gone(run.pid)
    assert list(directory.iterdir()) == []


async def test_a_demo_that_is_cancelled_leaves_nothing(directory):
    run = Run(directory)
    task = asyncio.create_task(run.demo.run(asyncio.Event()))
    await run.started()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone(run.pid)
    assert list(directory.iterdir()) == []


async def test_a_demo_whose_controller_ends_fails_with_its_last_words(directory):
    run = Run(directory, (sys.executable, "-c", "import sys; print('no such option'); sys.exit(2)"))
    with pytest.raises(DemoFailed, match="ended by itself, with exit code 2"):
        await run.demo.run(asyncio.Event())
    assert run.lines[-1] == "no such option"
    assert list(directory.iterdir()) == []


async def test_a_port_that_is_taken_is_said_before_anything_starts(directory):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = Run(directory, port=taken.getsockname()[1])
        with pytest.raises(DemoFailed, match="address already in use"):
            await run.demo.run(asyncio.Event())
    assert list(directory.iterdir()) == []
