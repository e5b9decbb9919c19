"""Many Canaries for the price of one: a rollout is run once in virtual time, then its objects are copied.

What the controller wrote for the one is what it would have written for each, so that a controller which is started on
the copies finds nothing to do but to go on.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

import msgspec

from canary.core.observed import revision_name
from canary.kube.clock import LoopClock
from canary.sandbox.apiserver.storage import Collection
from canary.sandbox.app import Release
from canary.sandbox.simulation import Simulation
from canary.sandbox.virtual_time import run_virtual

Phase: TypeAlias = Literal["Promoted", "Idle", "Progressing"]

PHASES: dict[str, Phase] = {"Promoted": "Promoted", "Idle": "Idle", "Progressing": "Progressing"}
NAMESPACES = 20
AGO = timedelta(minutes=10)
"""How long before now the rollout began: every hold, warm-up and settle time of the copies is long over."""
_UID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_REVISION = re.compile(rb"podinfo-v(\d)-[0-9a-f]{10}")
_COPIED: tuple[Collection, ...] = (
    ("", "services"),
    ("", "pods"),
    ("discovery.k8s.io", "endpointslices"),
    ("split.smi-spec.io", "trafficsplits"),
    ("canary.delivery", "canaries"),
)
_STEPS: dict[Phase, list[dict[str, Any]]] = {
    "Promoted": [{"weight": 50, "hold": "0s"}, {"weight": 100, "hold": "0s"}],
    "Idle": [{"weight": 50, "hold": "0s"}],
    "Progressing": [{"weight": 10, "hold": "24h"}, {"weight": 100, "hold": "1m"}],
}


@dataclass(frozen=True, slots=True)
class Template:
    """The objects of one application as JSON, by collection, and the pod hash of each release."""

    objects: tuple[tuple[Collection, bytes], ...]
    hashes: dict[str, str]


def namespace_of(number: int) -> str:
    return f"team-{number % NAMESPACES:02d}"


def name_of(number: int) -> str:
    """The Canary, its root Service and its split; the backends are called `<name>-v1` and `<name>-v2`."""
    return f"app-{number:05d}"


def template(phase: Phase) -> Template:
    """Run one rollout until it is in `phase` and everything is told."""
    return run_virtual(_run(phase))


async def _run(phase: Phase) -> Template:
    clock = LoopClock(datetime.now(UTC) - AGO)
    async with Simulation(random.Random(1), clock=clock) as sim:
        await sim.start_app(Release("1", replicas=1), Release("2", replicas=0 if phase == "Idle" else 1))
        metrics = [
            {"name": "success-rate", "min": "99", "rollbackAt": "90"},
            {"name": "latency", "quantile": "p99", "max": "500ms"},
        ]
        analysis = {"interval": "10s", "warmup": "5s", "metrics": metrics}
        await sim.apply(sim.canary("1", "2", steps=_STEPS[phase], analysis=analysis))
        sim.start()
        await sim.until(lambda: sim.status().phase == phase and (phase != "Progressing" or bool(sim.status().metrics)))
        await sim.clock.sleep(20)
        return _taken(sim)


def _taken(sim: Simulation) -> Template:
    storage = sim.cluster.server.storage
    found = [(name, obj) for name in _COPIED for key, obj in storage.objects(name).items() if key[0] == "shop"]
    pods = [obj["metadata"]["labels"] for (_, plural), obj in found if plural == "pods"]
    return Template(
        tuple((name, msgspec.json.encode(obj)) for name, obj in found),
        {labels["version"]: labels["pod-template-hash"] for labels in pods},
    )


def copies(original: Template, numbers: range) -> Iterator[tuple[Collection, dict[str, Any]]]:
    """The objects of each copy; identities and what is calculated from names differ as they must."""
    for number in numbers:
        for collection, body in original.objects:
            yield collection, msgspec.json.decode(_copy(body, number, original.hashes))


def _copy(body: bytes, number: int, hashes: dict[str, str]) -> bytes:
    name = name_of(number)

    def revision(match: re.Match[bytes]) -> bytes:
        version = match[1].decode()
        return revision_name(f"{name}-v{version}", (hashes[version],)).encode()

    def uid(match: re.Match[bytes]) -> bytes:
        digest = hashlib.sha256(b"%d %s" % (number, match[0])).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}".encode()

    body = _UID.sub(uid, _REVISION.sub(revision, body))
    return body.replace(b"podinfo", name.encode()).replace(b"shop", namespace_of(number).encode())
