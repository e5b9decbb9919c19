"""What a scrape says of a rollout, and that nothing of a Canary stays behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from canary.controller.watches import CANARIES
from canary.core.decision import Act, Change, Direction
from canary.core.state import Said, State
from canary.kube.errors import Conflict, Forbidden, Unreachable
from canary.kube.observed_transport import Call
from canary.sandbox.simulation import Release, Simulation
from canary.sandbox.virtual_time import run_virtual
from canary.server.catalogue import CANARY, FAMILIES
from canary.server.daemon import Process
from canary.server.metrics import Metrics, outcome_of
from canary.traffic.fence import TooOld

Scrape = Callable[[Metrics], dict[tuple[str, ...], float]]
KEY = ("shop", "podinfo")


def make_change(**overrides: object) -> Change:
    state = State(**overrides)  # type: ignore[arg-type]  # fields of State
    return Change(Act.UPDATE, state, (), Direction.DOWN)


COMPARED = {
    "interval": "10s",
    "warmup": "5s",
    "metrics": [
        {"name": "success-rate", "min": "50", "compare": "Stable"},
        {"name": "latency", "quantile": "p99", "max": "1s"},
    ],
}


async def rollout(sim: Simulation, errors: float, phase: str, **spec: Any) -> None:
    await sim.start_app(Release("1"), Release("2", errors=errors))
    await sim.apply(sim.canary("1", "2", **spec))
    sim.start()
    await sim.until(lambda: sim.phase() == phase)
    await sim.clock.sleep(5)


@pytest.mark.usefixtures("quiet")
def test_a_rollback_shows_in_every_metric(samples: Scrape) -> None:
    async def main() -> None:
        metrics = Metrics()
        async with Simulation(random.Random(1), telemetry=metrics) as sim:
            await rollout(sim, 20, "RolledBack")
            key, found = (sim.app.namespace, sim.app.name), samples(metrics)
            assert found["canary_weight", *key] == 0
            assert found["canary_phase", *key, "RolledBack"] == 1
            assert found["canary_phase", *key, "Progressing"] == 0
            assert found["canary_failed_windows", *key] == 3
            assert found["canary_metric_value", *key, "success-rate", "canary"] == pytest.approx(80)
            assert found["canary_metric_value", *key, "success-rate", "stable"] == pytest.approx(100)
            assert found["canary_metric_limit", *key, "success-rate"] == 99
            assert found["canary_metric_limit", *key, "latency"] == 0.5
            assert found["canary_rollouts_total", *key, "CheckFailed"] == 1
            assert found["canary_verdict_total", *key, "Breach"] == 3
            assert found["canary_split_writes_total", "Down", "Accepted"] == 1
            assert found["canary_breach_to_safe_seconds_count",] == 1
            assert 0 <= found["canary_breach_to_safe_seconds_sum",] < 1

    run_virtual(main())


@pytest.mark.usefixtures("quiet")
def test_each_window_of_a_promotion_is_counted_once(samples: Scrape) -> None:
    async def main() -> None:
        metrics = Metrics()
        async with Simulation(random.Random(1), telemetry=metrics) as sim:
            await rollout(sim, 0, "Promoted")
            key, found = (sim.app.namespace, sim.app.name), samples(metrics)
            assert found["canary_rollouts_total", *key, "Promoted"] == 1
            # Of the windows of 10 s in each of three holds of 30 s, the first touches the weight change; the second is
            # too old at the end of the hold, where the third comes in at once.
            assert found["canary_verdict_total", *key, "Healthy"] == 6

    run_virtual(main())


@pytest.mark.usefixtures("quiet")
def test_the_evidence_of_a_tested_metric_shows_beside_what_is_needed(samples: Scrape) -> None:
    async def main() -> None:
        metrics = Metrics()
        async with Simulation(random.Random(1), telemetry=metrics) as sim:
            await rollout(sim, 20, "RolledBack", analysis=COMPARED)
            key, found = (sim.app.namespace, sim.app.name), samples(metrics)
            assert found["canary_evidence_needed", *key, "success-rate"] == pytest.approx(100)
            assert found["canary_evidence", *key, "success-rate"] >= 100
            assert ("canary_evidence", *key, "latency") not in found

    run_virtual(main())


@pytest.mark.usefixtures("quiet")
def test_no_series_of_a_deleted_canary_stays(samples: Scrape) -> None:
    async def main() -> None:
        metrics = Metrics()
        async with Simulation(random.Random(1), telemetry=metrics) as sim:
            await rollout(sim, 20, "RolledBack", analysis=COMPARED)
            names = {family.name for family in FAMILIES if family.labels[:2] == CANARY}
            assert {name for name, *_ in samples(metrics)} >= names
            await sim.cluster.client.delete(CANARIES, sim.app.name, sim.app.namespace)
            await sim.clock.sleep(5)
            assert not [labels for name, *labels in samples(metrics) if sim.app.name in labels]
            assert not names & {name for name, *_ in samples(metrics)}

    run_virtual(main())


def test_everything_that_a_process_exports_is_in_the_catalogue_and_the_reverse(
    samples: Scrape, process: Callable[..., Process]
) -> None:
    async def main() -> None:
        async with Simulation(random.Random(1)) as sim:
            metrics = process(sim).metrics
            metrics.sample()
            lines = metrics.render()[0].decode().splitlines()
            typed = dict(line.split(" ")[2:4] for line in lines if line.startswith("# TYPE canary_"))
            assert typed == {family.name: family.kind for family in FAMILIES}

    run_virtual(main())


def test_a_leader_and_its_queue_show(samples: Scrape, process: Callable[..., Process]) -> None:
    async def main() -> None:
        async with Simulation(random.Random(1)) as sim:
            await sim.start_app(Release("1"), Release("2"))
            await sim.apply(sim.canary("1", "2"))
            one = process(sim)
            task = asyncio.create_task(one.work())
            await sim.until(lambda: sim.state() is not None)
            await sim.clock.sleep(20)
            found = samples(one.metrics)
            assert found["canary_leader",] == 1
            assert found["canary_workers",] == 16
            assert found["canary_reconciles_total", "Succeeded"] >= 1
            assert found["canary_queue_adds_total",] >= found["canary_reconcile_duration_seconds_count",] >= 1
            assert found["canary_api_requests_total", "create", "trafficsplits.split.smi-spec.io", "201"] == 1
            assert found["canary_api_requests_total", "watch", "canaries.canary.delivery", "200"] == 1
            assert found["canary_watch_silence_seconds", "canaries"] >= 0
            assert found["canary_events_total", "Posted"] >= 1
            one.stop()
            await task
            assert samples(one.metrics)["canary_leader",] == 0

    run_virtual(main())


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Conflict(409, "Conflict", ""), "Conflict"),
        (TooOld(""), "TooOld"),
        (Forbidden(403, "", ""), "Refused"),
        (Unreachable(""), "Failed"),
    ],
)
def test_a_refused_write_is_counted_by_its_cause(samples: Scrape, error: Exception, outcome: str) -> None:
    metrics = Metrics()
    metrics.refused(KEY, make_change(), error)
    assert samples(metrics)["canary_split_writes_total", "Down", outcome] == 1


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ({"said": (Said("Promoted", ""),)}, "Promoted"),
        ({"said": (Said("RollbackStarted", ""),), "reason": "Aborted"}, "Aborted"),
        ({"said": (Said("RolledBack", ""),), "reason": "Aborted"}, ""),
        ({"said": (Said("WeightAdvanced", ""),)}, ""),
    ],
)
def test_only_the_write_that_ends_a_rollout_counts_it(state: dict[str, object], outcome: str) -> None:
    assert outcome_of(make_change(**state)) == outcome


def test_requests_are_counted_by_verb_resource_and_code(samples: Scrape) -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.called(Call("get", "pods", "200", 0.02))
    found = samples(metrics)
    assert found["canary_api_requests_total", "get", "pods", "200"] == 2
    assert found["canary_api_request_duration_seconds_sum", "get", "pods"] == pytest.approx(0.04)
