"""Programs that know nothing of their test end with it all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

PATIENCE = 20.0
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def tethered() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    return started(command)


def started(command: list[str]) -> subprocess.Popen[bytes]:
    tether = [sys.executable, "-m", "e2e.plane.tether", *command]
    process = subprocess.Popen(tether, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


def is_over(process: subprocess.Popen[bytes]) -> bool:
    """Whether nobody holds the output any more: neither the tether nor the program."""
    assert process.stdout is not None
    process.wait(PATIENCE)
    with process.stdout as output:
        return output.read() == b""


def test_the_end_of_the_input_ends_the_program(tethered: subprocess.Popen[bytes]) -> None:
    assert tethered.stdin is not None
    tethered.stdin.close()
    assert is_over(tethered)


def test_a_signal_ends_the_program(tethered: subprocess.Popen[bytes]) -> None:
    with tethered.stdin or pytest.fail("no input"):
        tethered.terminate()
        assert is_over(tethered)


def test_a_program_that_will_not_end_is_killed() -> None:
    process = started([sys.executable, "-c", STUBBORN])
    assert process.stdin is not None
    process.stdin.close()
    assert is_over(process)


def test_the_exit_code_is_that_of_the_program() -> None:
    process = started([sys.executable, "-c", "import sys; print('up', flush=True); sys.exit(7)"])
    with process.stdin or pytest.fail("no input"):
        assert is_over(process)
    assert process.returncode == 7
