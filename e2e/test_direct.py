"""Rollouts whose proxies the controller reads itself, in a network in which Pods have their addresses."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from e2e.dataplane.network import inside
from e2e.plane import build_controlplane
from e2e.plane.plane import REPOSITORY
from e2e.plane.process import Process, ProcessFailed

SECONDS = 240
"""For all of it, with a control plane of its own; it takes some 75 s."""
GRACE = 30.0


@pytest.mark.timeout(SECONDS + 60, func_only=True)
@pytest.mark.usefixtures("envoy", "helms")  # what is fetched from elsewhere has to be here before
def test_rollouts_that_read_proxies_directly(tmp_path: Path) -> None:
    build_controlplane()
    log = tmp_path / "rollouts.log"
    flags = ["-v", "-s", "--color=no", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inside'}"]
    command = inside([sys.executable, "-m", "pytest", "e2e/direct/rollouts.py", *flags])
    rollouts = Process("rollouts", command, log, cwd=REPOSITORY)
    rollouts.start()
    try:
        code = rollouts.wait(SECONDS)
    finally:
        if rollouts.running:
            # As at a terminal, so that it ends what it has started.
            rollouts.send(signal.SIGINT)
            with suppress(ProcessFailed):
                rollouts.wait(GRACE)
        print(log.read_text())
        rollouts.stop()
    assert code == 0, rollouts.tail()
