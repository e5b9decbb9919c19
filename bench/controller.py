"""A process of its own: the controller as `canary run` puts it together, with a probe in it and without its port.

python -m bench.controller KUBECONFIG COUNT
"""

from __future__ import annotations

import time

_ENTERED = time.monotonic()

import asyncio  # noqa: E402 -- the time of the imports is part of what is measured
import os  # noqa: E402
import random  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

from bench.commands import answer  # noqa: E402
from bench.probe import Probe, StampedTransport  # noqa: E402
from canary.api.names import CONTROLLER_MANAGER  # noqa: E402
from canary.controller.app import Controller, Settings  # noqa: E402
from canary.kube.client import Client  # noqa: E402
from canary.kube.clock import SystemClock  # noqa: E402
from canary.kube.http import connect  # noqa: E402
from canary.kube.observed_transport import ObservedTransport  # noqa: E402
from canary.metrics.smi_source import SmiSource  # noqa: E402
from canary.metrics.sources import Offer, Sources  # noqa: E402
from canary.server import logs  # noqa: E402
from canary.server.journal import Journal  # noqa: E402
from canary.server.metrics import Metrics  # noqa: E402
from canary.server.telemetry import Told  # noqa: E402

_IMPORTED = time.monotonic()


async def _run(kubeconfig: str, count: int) -> None:
    clock, rng = SystemClock(), random.Random()
    transport = StampedTransport(await connect(kubeconfig, user_agent="canary-controller/bench", clock=clock))
    connected = time.monotonic()
    metrics = Metrics(lambda: iter(()))
    probe = Probe(transport, count)
    client = Client(
        ObservedTransport(transport, clock=clock, observe=metrics.called),
        clock=clock, rng=rng, field_manager=CONTROLLER_MANAGER,
    )  # fmt: skip
    controller = Controller(
        Settings(identity="bench"), client, Sources({"SMI": Offer(SmiSource(client, clock=clock))}),
        clock=clock, rng=rng, telemetry=Told((metrics, Journal(), probe)),
    )  # fmt: skip
    working = asyncio.create_task(controller.run())

    def times(_: dict[str, Any]) -> dict[str, float]:
        return {
            "entered": _ENTERED, "imported": _IMPORTED, "connected": connected,
            "first": probe.first, "whole": probe.whole,
        }  # fmt: skip

    def readings(_: dict[str, Any]) -> dict[str, Any]:
        """What was measured since the last call of this."""
        found = {"lateness": probe.lateness, "safe": probe.safe, "queue": controller.queue.depth}
        probe.lateness, probe.safe = [], []
        return found

    try:
        await answer({"times": times, "readings": readings}, ready={})
    finally:
        controller.stop()
        await working
        await transport.close()


def main(kubeconfig: str, count: str) -> None:
    with open(os.devnull, "wb") as nowhere:
        logs.configure(logs.LineWriter(nowhere.fileno()), level="info", form="json")
        asyncio.run(_run(kubeconfig, int(count)))


if __name__ == "__main__":
    main(*sys.argv[1:])
