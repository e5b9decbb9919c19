"""The parts that run for each Canary, window or write, by themselves: the fastest of many runs."""

from __future__ import annotations

import asyncio
import random
import timeit
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec

from bench.population import NAMESPACES, copies, template
from bench.rows import Row, shown
from bench.traffic import Script
from canary.api.canary import Canary
from canary.api.kinds import TrafficSplit
from canary.api.names import STATE_ANNOTATION
from canary.api.validation import load_spec
from canary.core.decide import evaluate
from canary.core.memory import Memory
from canary.core.observed import Now, Observed, Side
from canary.core.plan import plan_of
from canary.core.state import decode_state, encode_state
from canary.core.window import Sample, Window
from canary.kube.clock import SystemClock
from canary.kube.codec import decode
from canary.kube.queue import WorkQueue
from canary.metrics.smi import parse
from canary.metrics.source import series_of
from canary.sandbox.apiserver.request import Request
from canary.sandbox.smi_metrics import MetricsApi
from canary.traffic.split import rewrite
from canary.traffic.view import Owner, split_view

REPEATS = 15
ITEMS = 2000


async def run(_: int) -> list[Row]:
    """In a thread: the templates are made in a loop of their own."""
    return await asyncio.to_thread(lambda: [*_objects(), *_metrics(), _queue()])


def _fastest(call: Callable[[], object], number: int = 200) -> float:
    """Microseconds of one call."""
    return 1e6 * min(timeit.repeat(call, number=number, repeat=REPEATS)) / number


def _objects() -> Iterator[Row]:
    found = {collection[1]: msgspec.json.encode(obj) for collection, obj in copies(template("Progressing"), range(1))}
    body, split_body = found["canaries"], found["trafficsplits"]
    canary, split = decode(body, Canary), decode(split_body, TrafficSplit)
    text = split.metadata.annotations[STATE_ANNOTATION]
    state = decode_state(text)
    assert state is not None  # the controller has written it
    owner = Owner(canary.metadata.namespace, canary.metadata.name, canary.metadata.uid, split.metadata.name)
    backends = split_view(split, owner).backends
    yield shown("micro/decide", "one window: remember and decide", _fastest(_evaluation(canary, split, owner)), "µs")
    yield shown("micro/load-spec", "defaults, schema and rules of one spec", _fastest(lambda: load_spec(canary)), "µs")
    yield shown("micro/decode", f"decode a Canary of {len(body)} bytes", _fastest(lambda: decode(body, Canary)), "µs")
    yield shown("micro/view", "a split in the words of the decision", _fastest(lambda: split_view(split, owner)), "µs")
    yield shown(
        "micro/state-decode", f"decode a state of {len(text)} bytes", _fastest(lambda: decode_state(text)), "µs"
    )
    yield shown("micro/state-encode", "encode it", _fastest(lambda: encode_state(state)), "µs")
    yield shown(
        "micro/rewrite", f"rewrite a split of {len(split_body)} bytes",
        _fastest(lambda: rewrite(split_body, backends, {STATE_ANNOTATION: text}, {})), "µs",
    )  # fmt: skip


def _evaluation(canary: Canary, split: TrafficSplit, owner: Owner) -> Callable[[], object]:
    plan = plan_of(load_spec(canary))
    view = split_view(split, owner)
    assert view.state is not None  # the controller has written it
    pods = view.state.gate.pods if view.state.gate else ()
    sides = {
        plan.stable: Side(plan.stable, ready=1, hashes=("5d8f7c9b64",)),
        plan.canary: Side(plan.canary, ready=1, hashes=pods, ready_at=0.0),
    }
    observed = Observed(owner.uid, plan, split=view, sides=sides)
    wall = datetime.now(UTC).timestamp()
    seen, _ = evaluate(observed, Memory(), (), Now(1000.0, wall))
    sample = Sample(198.0, 0.0, {"p50": 0.02, "p90": 0.03, "p99": 0.05})
    window = Window(1100.0, 1110.0, wall + 110, sample, sample)
    judged, _ = evaluate(observed, seen, (window,), Now(1110.0, wall + 110))
    assert judged.latest is not None  # else no window is judged, and the number means nothing
    return lambda: evaluate(observed, seen, (window,), Now(1110.0, wall + 110))


def _metrics() -> Iterator[Row]:
    script = Script(NAMESPACES * ITEMS // 2)
    namespace = "team-00"
    path = f"/apis/metrics.smi-spec.io/v1alpha1/namespaces/{namespace}/deployments"
    now = datetime.now(UTC).timestamp()
    body = MetricsApi(script, SystemClock())(Request("GET", path, {"t": "10s"})).body
    names = [reading.name for reading in script.readings("deployments", namespace, 10)]

    def read(count: int) -> None:
        answer = parse(body, window=10, now=now)
        for name in names[:count]:
            answer[series_of("Deployment", namespace, name)]

    yield shown("micro/metrics-all", f"parse {ITEMS} items, all wanted", _fastest(lambda: read(ITEMS), 1) / 1e3, "ms")
    yield shown("micro/metrics-few", f"parse {ITEMS} items, 20 wanted", _fastest(lambda: read(20), 1) / 1e3, "ms")


def _queue() -> Row:
    keys = [(f"team-{number % NAMESPACES:02d}", f"app-{number}") for number in range(1000)]

    async def through() -> None:
        queue = WorkQueue(clock=SystemClock(), rng=random.Random(3))
        for key in keys:
            queue.add_after(key, 60.0)
            queue.add(key)
        for _ in keys:
            queue.done(await queue.get())

    each = _fastest(lambda: asyncio.run(through()), 1) / len(keys)
    return shown("micro/queue", "one key through the queue: timer, add, get, done", each, "µs")
