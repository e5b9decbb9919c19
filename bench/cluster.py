"""A process of its own: an API server with many Canaries, which counts who asks it for what.

python -m bench.cluster DIRECTORY COUNT PHASE [PHASE...]
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from bench.commands import answer
from bench.population import NAMESPACES, PHASES, Template, copies, namespace_of, template
from bench.traffic import CountedMetrics, Script
from canary.api.crd import crd
from canary.kube import resources
from canary.kube.client import Client
from canary.kube.clock import Clock, SystemClock
from canary.kube.transport import Response
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.apiserver.faults import Answer, Effect, Hang
from canary.sandbox.apiserver.http import serve
from canary.sandbox.apiserver.objects import Object, with_meta
from canary.sandbox.apiserver.request import Request, parse_target, verb_of
from canary.sandbox.apiserver.server import ApiServer
from canary.sandbox.apiserver.watch import WatchStream
from canary.sandbox.smi_metrics import GROUP, RESOURCES, VERSION, MetricsApi
from canary.sandbox.traffic_split_crd import traffic_split_crd

_OTHER_WRITES = {"events": "create,update,patch", "canaries": "update,patch"}
"""Every write of the controller but those of splits, and of the Lease: without it a controller has to end."""
_FAULTS: dict[str, Effect] = {"error": Answer(500), "hang": Hang()}


class CountingServer(ApiServer):
    """Counts requests as `user agent|verb|resource`."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        super().__init__(clock, rng)
        self.asked: Counter[str] = Counter()

    async def answer(self, request: Request) -> Response | WatchStream:
        target = parse_target(request.path)
        verb, plural = (verb_of(request, target), target.plural) if target else ("get", "discovery")
        self.asked[f"{request.user_agent}|{verb}|{plural}"] += 1
        return await super().answer(request)


class Control:
    """The commands of this process."""

    def __init__(self, server: CountingServer, script: Script, metrics: CountedMetrics) -> None:
        self._server, self._script, self._metrics = server, script, metrics

    def asked(self, _: dict[str, Any]) -> dict[str, int]:
        """Requests since the last call of this."""
        asked, self._server.asked = self._server.asked, Counter()
        return asked

    def metrics(self, _: dict[str, Any]) -> dict[str, int]:
        """Calls of the metrics API since the last call of this."""
        calls, self._metrics.calls = self._metrics.calls, Counter()
        return calls

    def fail(self, asked: dict[str, Any]) -> None:
        """From now on the canaries of the applications `names` fail, and all others are well."""
        self._script.failing = frozenset(asked["names"])

    def break_writes(self, asked: dict[str, Any]) -> None:
        """Writes of anything but splits meet a fault `how` (error, hang), or none."""
        self._server.faults.clear()
        if asked["how"]:
            for resource, verbs in _OTHER_WRITES.items():
                self._server.faults.add(
                    _FAULTS[asked["how"]], verb=verbs, resource=resource, user_agent="canary-controller"
                )


def _load(server: ApiServer, templates: list[Template], count: int) -> None:
    """Put the objects into the storage itself: they have been through admission once, as the template."""
    share = -(-count // len(templates))
    for index, original in enumerate(templates):
        numbers = range(index * share, min(count, (index + 1) * share))
        for collection, obj in copies(original, numbers):
            key = obj["metadata"]["namespace"], obj["metadata"]["name"]
            server.storage.put(collection, key, partial(_versioned, obj))


def _versioned(obj: Object, version: int) -> Object:
    return with_meta(obj, resourceVersion=str(version))


async def _serve(directory: Path, count: int, templates: list[Template]) -> None:
    clock, rng = SystemClock(), random.Random(2)
    server, script = CountingServer(clock, rng), Script(count)
    client = Client(DirectTransport(server, user_agent="bench"), clock=clock, rng=rng)
    for definition in (crd(), traffic_split_crd()):
        await client.create(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)
    for number in range(NAMESPACES):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace_of(number)}}
        await client.create(resources.NAMESPACES, body)
    _load(server, templates, count)
    metrics = CountedMetrics(MetricsApi(script, clock))
    server.aggregate(GROUP, VERSION, RESOURCES, metrics)
    # What stays for ever need not be looked at by every collection: the server is not what is measured.
    gc.collect()
    gc.freeze()
    face = await serve(server)
    face.write_kubeconfig(directory / "kubeconfig")
    control = Control(server, script, metrics)
    commands = {
        "asked": control.asked,
        "metrics": control.metrics,
        "fail": control.fail,
        "break_writes": control.break_writes,
    }
    try:
        await answer(commands, ready={"url": face.url})
    finally:
        await face.close()


def main(directory: str, count: str, *phases: str) -> None:
    templates = [template(PHASES[phase]) for phase in phases]
    asyncio.run(_serve(Path(directory), int(count), templates))


if __name__ == "__main__":
    main(*sys.argv[1:])
