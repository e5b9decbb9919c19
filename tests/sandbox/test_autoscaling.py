"""The autoscaler of the embedded cluster, in virtual time."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.kube.clock import LoopClock
from canary.kube.resources import DEPLOYMENTS
from canary.sandbox.app import App, Release
from canary.sandbox.autoscaling.algorithm import Memory, by_utilization, normalized
from canary.sandbox.autoscaling.objects import AUTOSCALERS
from canary.sandbox.embedded import EmbeddedCluster
from canary.sandbox.virtual_time import run_virtual

APP = App()
NAME = "podinfo-v1-0"


def autoscaler(name="web", target=NAME, **spec):
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"scaleTargetRef": ref, "minReplicas": 2, "maxReplicas": 6, **spec},
    }


@asynccontextmanager
async def cluster(*manifests, replicas=2, use=lambda *_: None):
    clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with EmbeddedCluster(clock, random.Random(1), autoscaling=use) as running:
        release = APP.deployment(Release("1.0", replicas=replicas))
        await running.apply(APP.namespace_manifest(), release, *manifests)
        yield running


async def replicas(running):
    return (await running.client.get(DEPLOYMENTS, NAME, "shop"))["spec"]["replicas"]


async def status(running, name="web"):
    found = (await running.client.get(AUTOSCALERS, name, "shop"))["status"]
    return found, {c["type"]: (c["status"], c["reason"]) for c in found.get("conditions") or ()}


def settled(seconds=60, *, at=2, use=lambda *_: None, **spec):
    async def main():
        async with cluster(autoscaler(**spec), replicas=at, use=use) as running:
            await asyncio.sleep(seconds)
            return await replicas(running), *await status(running)

    return run_virtual(main())


@pytest.mark.parametrize(("at", "wanted"), [(1, 2), (9, 6), (3, 3)])
def test_bounds_act_without_metrics(at, wanted):
    assert settled(at=at)[0] == wanted


def test_a_target_without_replicas_is_left_alone():
    count, told, conditions = settled(at=0, use=lambda *_: 500.0)
    assert count == 0
    assert conditions["ScalingActive"] == ("False", "ScalingDisabled")
    assert told.get("currentReplicas", 0) == told["desiredReplicas"] == 0


def test_use_above_the_target_scales_up_within_the_maximum():
    count, told, conditions = settled(use=lambda *_: 200.0)
    assert count == told["currentReplicas"] == told["desiredReplicas"] == 6
    assert conditions["ScalingActive"] == ("True", "ValidMetricFound")
    assert conditions["ScalingLimited"] == ("True", "TooManyReplicas")


@pytest.mark.parametrize(("use", "wanted"), [(80.0 * 1.09, 4), (80.0 * 0.91, 4), (80.0 * 1.2, 5)])
def test_a_tenth_more_or_less_is_tolerated(use, wanted):
    assert by_utilization(4, use, 80.0) == wanted


@pytest.mark.parametrize(
    ("behavior", "patience"), [(None, 300), ({"scaleDown": {"stabilizationWindowSeconds": 60}}, 60)]
)
def test_it_scales_down_only_when_nothing_more_was_recommended_for_a_while(behavior, patience):
    async def main():
        use = [80.0]
        spec = {} if behavior is None else {"behavior": behavior}
        async with cluster(autoscaler(**spec), replicas=4, use=lambda *_: use[0]) as running:
            await asyncio.sleep(30)
            use[0] = 10.0
            await asyncio.sleep(patience - 20)
            early = await replicas(running)
            await asyncio.sleep(60)
            return early, await replicas(running)

    assert run_virtual(main()) == (4, 2)


def test_policies_bound_how_fast_it_scales():
    policy = {"type": "Pods", "value": 1, "periodSeconds": 60}
    behavior = {"scaleUp": {"policies": [policy]}}

    async def main():
        async with cluster(autoscaler(behavior=behavior), use=lambda *_: 800.0) as running:
            seen = []
            for _ in range(3):
                await asyncio.sleep(60)
                seen.append(await replicas(running))
            return seen

    assert run_virtual(main()) == [3, 4, 5]


def test_two_autoscalers_that_select_the_same_pods_do_nothing():
    async def main():
        twins = autoscaler("web"), autoscaler("twin")
        async with cluster(*twins, replicas=3, use=lambda *_: 800.0) as running:
            await asyncio.sleep(5)
            first = await replicas(running)
            await asyncio.sleep(120)
            return first, await replicas(running), (await status(running))[1]

    first, last, conditions = run_virtual(main())
    assert last == first
    assert conditions["ScalingActive"] == ("False", "AmbiguousSelector")


def test_a_target_that_is_missing_is_told():
    async def main():
        async with cluster(autoscaler(target="other")) as running:
            await asyncio.sleep(30)
            return await status(running)

    assert run_virtual(main())[1]["AbleToScale"] == ("False", "FailedGetScale")


def test_without_the_option_nothing_scales():
    async def main():
        clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
        async with EmbeddedCluster(clock, random.Random(1)) as running:
            await running.apply(APP.namespace_manifest(), APP.deployment(Release("1.0", replicas=9)), autoscaler())
            await asyncio.sleep(60)
            return await replicas(running)

    assert run_virtual(main()) == 9


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30)), min_size=1, max_size=20), st.integers(1, 20))
def test_what_is_desired_stays_within_its_bounds(story, current):
    least, most = 2, 12
    memory, now = Memory(), 0.0
    current = min(max(current, least), most)
    for wanted, seconds in story:
        now += seconds
        current = normalized(wanted, current, least, most, None, memory, now).replicas
        assert least <= current <= most
