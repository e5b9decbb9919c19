"""What happens to the metrics source: it is away, or it says what means nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec

from canary.kube.resources import SERVICES
from canary.sandbox.apiserver import faults
from canary.sandbox.apiserver.faults import Answer, Effect, Raw, Rewrite
from canary.sandbox.chaos.deeds.deed import Deed
from canary.sandbox.chaos.world import World
from canary.sandbox.mesh.modelled import RATE_ANNOTATION
from canary.sandbox.smi_metrics import GROUP

_SECONDS = (5.0, 15.0, 45.0, 90.0)
_LEAST = "-9223372036854775808"
"""What Go's conversion of NaN to int64 gives on amd64, as smi-metrics sends it."""

AWAY: tuple[Effect, ...] = (
    Answer(401), Answer(403), Answer(404), Answer(429, retry_after=9), Answer(500), Answer(503), faults.Refuse(),
    faults.Drop(), faults.LoseAnswer(), faults.Hang(), faults.Delay(before=4), faults.Delay(after=4),
    Raw(200, b"<!doctype html><title>log in</title>"), Raw(200, b""), Raw(200, b"[]"),
    Raw(200, b'{"kind": "Status", "message": "no"}', "application/json"),
)  # fmt: skip


def _items(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """A change of every item of a list."""

    def rewrite(body: bytes) -> bytes:
        answer = msgspec.json.decode(body)
        for item in answer.get("items") or ():
            change(item)
        return msgspec.json.encode(answer)

    return rewrite


def _whole(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def rewrite(body: bytes) -> bytes:
        answer = msgspec.json.decode(body)
        change(answer)
        return msgspec.json.encode(answer)

    return rewrite


def _values(value: Any, *names: str) -> Callable[[bytes], bytes]:
    """Every value of these metrics, or of all, becomes `value`."""

    def change(item: dict[str, Any]) -> None:
        for metric in item["metrics"]:
            if not names or metric["name"] in names:
                metric["value"] = value

    return _items(change)


def _in_fortnights(item: dict[str, Any]) -> None:
    for metric in item["metrics"]:
        metric["unit"] = "fortnight"


NONSENSE: tuple[Rewrite, ...] = tuple(
    Rewrite(name, answer=change)
    for name, change in {
        "all NaN": _values("NaN"),
        "NaN as an integer": _values(_LEAST, "p50_response_latency", "p90_response_latency", "p99_response_latency"),
        "a NaN count of failures": _values("NaN", "failure_count"),
        "infinitely many successes": _values("Inf", "success_count"),
        "negative failures": _values("-1", "failure_count"),
        "beyond belief": _values("1e300"),
        "no values": _values(None),
        "words": _values("many"),
        "zeros": _values("0"),
        "no failures known": _items(lambda item: item["metrics"].pop()),
        "no metrics": _items(lambda item: item.update(metrics=None)),
        "latency in fortnights": _items(_in_fortnights),
        "another window": _items(lambda item: item.update(window="7s")),
        "no window": _items(lambda item: item.pop("window")),
        "of last year": _items(lambda item: item.update(timestamp="2025-01-01T00:00:00Z")),
        "of another kind": _items(lambda item: item["resource"].update(kind="Gateway")),
        "edges the other way": _items(lambda item: item["edge"].update(direction="to")),
        "no items": _whole(lambda answer: answer.update(items=None)),
        "everything twice": _whole(lambda answer: answer.update(items=(answer.get("items") or []) * 2)),
        "another list": _whole(lambda answer: answer.update(kind="PodList")),
        "torn": lambda body: body[: len(body) // 2],
    }.items()
)


async def _away(world: World, dice: random.Random) -> None:
    world.fault(dice.choice(_SECONDS), dice.choice(AWAY), group=GROUP)


async def _nonsense(world: World, dice: random.Random) -> None:
    world.fault(dice.choice(_SECONDS), dice.choice(NONSENSE), group=GROUP)


async def _flaky(world: World, dice: random.Random) -> None:
    for effect in dice.sample((*AWAY, *NONSENSE), k=3):
        world.fault(dice.choice(_SECONDS), effect, group=GROUP, probability=0.3)


async def _no_traffic(world: World, dice: random.Random) -> None:
    await _rate(world, dice.choice(("0", "0.2", "3")))
    world.later(dice.choice(_SECONDS), lambda: _rate(world, f"{world.sim.rate:g}"))


async def _rate(world: World, rate: str) -> None:
    await world.patch(SERVICES, world.sim.app.name, {"metadata": {"annotations": {RATE_ANNOTATION: rate}}})


DEEDS = {
    "metrics away": Deed(6, _away, harmless=True),
    "metrics without sense": Deed(8, _nonsense, harmless=True),
    "metrics flaky": Deed(4, _flaky, harmless=True),
    # Of few requests any number may be good ones.
    "no traffic": Deed(3, _no_traffic),
}
