"""The real data plane by itself, without a controller: what the later scenarios take for granted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest

from e2e.dataplane.behaviour import Behaviour
from e2e.dataplane.proxy import LoadProcess
from e2e.dataplane.requests import Requests
from e2e.dataplane.scene import SPLIT, WORKERS_FOLLOW, Scene
from e2e.shop import NAME, NEW, OLD, SPLITS

SENT = 500


def alive(pids: Iterable[int | None]) -> list[int]:
    """Those of the processes that there still are."""
    return [pid for pid in pids if pid is not None and Path(f"/proc/{pid}").exists()]


def more_than(load: LoadProcess, count: int) -> bool:
    return load.answered > count


def within_chance(requests: Requests, weight: int) -> bool:
    """Whether the new version's share is within five standard deviations of a binomial distribution: 1 in 2 million."""
    expected, deviation = weight / 100, math.sqrt(weight * (100 - weight)) / 100 / math.sqrt(len(requests))
    return abs(requests.share(NEW) - expected) <= 5 * deviation


def test_the_proxy_shares_requests_as_the_split_says(scene: Scene) -> None:
    scene.open()
    for weight in (0, 10, 100):
        scene.split(weight)
        requests = scene.load(rate=200, seconds=SENT / 200).finish()
        print(f"weight {weight}\n{requests.table()}")
        assert len(requests) == SENT
        assert not len(requests.bad())
        assert within_chance(requests, weight)


def test_a_change_of_weights_moves_the_traffic_and_loses_no_request(scene: Scene) -> None:
    scene.open()
    scene.split(0)
    load = scene.load(rate=150, seconds=60, poisson=1)
    for weight in (50, 100, 30, 0):
        scene.until(lambda: load.answered > 0, "first request")
        scene.split(weight)
        mark = load.answered
        scene.until(partial(more_than, load, mark + SENT // 2), "more requests")
    requests = load.stop()
    print(scene.weight_table())
    print(requests.table())
    assert not len(requests.lost())
    assert not len(requests.bad())
    changes = scene.canary_shifts()
    for change, following in zip(changes, [*changes[1:], None], strict=True):
        assert change.used_at is not None
        part = requests.between(change.used_at + WORKERS_FOLLOW, following.written_at if following else math.inf)
        if len(part):
            assert within_chance(part, scene.canary_share(change.asked)), f"{change}\n{part.table()}"


def test_without_a_split_the_service_keeps_its_own_endpoints(scene: Scene) -> None:
    scene.open()
    scene.split(100)
    scene.shop.delete(SPLITS, NAME)
    scene.until(lambda: not scene.canary_weights(), "the Service's own endpoints")
    requests = scene.load(rate=100, seconds=1).finish()
    assert {who for who, _ in requests.counts()} == {OLD}


def test_weights_that_are_all_zero_leave_other_routes_alone(scene: Scene) -> None:
    scene.open()
    spec = {"service": NAME, "backends": [{"service": OLD, "weight": 0}, {"service": NEW, "weight": 0}]}
    scene.shop.create(SPLITS, {**SPLIT, "spec": spec})
    scene.until(lambda: scene.proxy.weights(NAME) == {}, "no route")
    assert {status for _, status in scene.load(rate=50, seconds=1).finish().counts()} == {503}
    assert not len(scene.load(rate=50, seconds=1, to=NEW).finish().bad())


def test_a_process_that_dies_is_started_again_while_the_others_answer(scene: Scene) -> None:
    scene.open()
    scene.split(100)
    load = scene.load(rate=100, seconds=60)
    scene.until(lambda: load.answered >= 50, "requests")
    (dead,) = scene.kill(NEW, count=1)
    scene.until(lambda: dead not in scene.stats(NEW).endpoints, "a proxy without the dead Pod")
    survived = max(request.finished for request in load.requests) + WORKERS_FOLLOW
    scene.until(lambda: scene.reachable(NEW) == 2, "the Pod's return")
    mark = load.answered
    scene.until(lambda: load.answered >= mark + 100, "requests after its return")
    requests = load.stop()
    print(requests.table())
    assert scene.restarts(NEW) == 1
    assert dead in {request.pod for request in requests.between(survived)}
    assert not len(requests.between(survived).bad())


def test_a_pod_whose_probe_fails_gets_no_requests_until_it_is_ready_again(scene: Scene) -> None:
    scene.open()
    scene.behave(NEW, Behaviour(ready=False))
    scene.until(lambda: scene.reachable(NEW) == 0, "a proxy without the version")
    scene.behave(NEW, Behaviour())
    scene.until(lambda: scene.reachable(NEW) == 2, "the Pods' return")
    assert scene.restarts(NEW) == 0


def test_everything_ends_with_its_scene(scene: Scene) -> None:
    scene.open()
    load = scene.load(rate=10, seconds=60)
    pods = [*scene.pids(OLD).values(), *scene.pids(NEW).values()]
    callers = [process.pid for process in (scene.proxy.envoy, scene.proxy.mesh, load)]
    assert (len(alive(pods)), len(alive(callers))) == (4, 3)
    scene.close()
    assert alive(callers) == []
    scene.shop.delete_namespace()
    scene.until(lambda: alive(pods) == [], "end of the Pods' processes")


def test_every_process_of_a_version_killed_is_told_to_the_caller(scene: Scene) -> None:
    scene.open()
    scene.split(100)
    scene.kill(NEW)
    scene.until(lambda: scene.reachable(NEW) == 0, "a proxy without the version")
    load = scene.load(rate=100, seconds=0.2)
    assert set(load.finish().counts()) == {("(proxy)", 503)}
    scene.until(lambda: scene.reachable(NEW) == 2, "the Pods' return")
    assert set(scene.load(rate=100, seconds=0.5).finish().counts()) == {(NEW, 200)}


def test_a_rolling_update_of_processes_loses_no_request(scene: Scene) -> None:
    scene.open()
    load = scene.load(rate=300, seconds=60)
    before = set(scene.pids(OLD))
    scene.shop.new_revision(OLD)
    scene.until(lambda: scene.reachable(OLD) == 2 and not before & set(scene.stats(OLD).endpoints), "new Pods")
    scene.until(lambda: not before & {pod["metadata"]["name"] for pod in scene.pods(OLD)}, "end of the old Pods")
    requests = load.stop()
    print(requests.table())
    assert not len(requests.bad())


def test_errors_and_slowness_begin_when_they_are_told_to(scene: Scene) -> None:
    scene.open()
    scene.split(100)
    scene.behave(NEW, Behaviour(median=0.05, p99=0.1))
    slow = scene.load(rate=100, seconds=2).finish()
    assert 0.05 <= slow.quantile(0.5) < 0.1
    start = max(request.finished for request in slow) + 2.0
    scene.behave(NEW, Behaviour(errors=1.0, errors_from=start))
    requests = scene.load(rate=100, seconds=4).finish()
    assert start <= (requests.first_bad() or 0.0) < start + 0.5
    assert all(request.due <= request.sent <= request.finished for request in requests)


def test_the_proxy_counts_what_the_callers_count(scene: Scene) -> None:
    scene.open()
    scene.split(40)
    scene.behave(NEW, Behaviour(errors=0.3))
    requests = scene.load(rate=150, seconds=4, poisson=2).finish()
    # Envoy counts a request when it has sent the answer, which the caller may have a moment earlier.
    scene.until(lambda: scene.stats(OLD).total + scene.stats(NEW).total == len(requests), "all requests counted")
    for version in (OLD, NEW):
        counted, own = scene.stats(version), requests.of(version)
        assert {(version, status): count for status, count in counted.codes.items()} == dict(own.counts())
        by_pod = {pod: (seen.total, seen.error) for pod, seen in counted.endpoints.items()}
        pods = {request.pod for request in own}
        assert by_pod == {pod: (len(own.pod(pod)), len(own.pod(pod).bad())) for pod in pods}
    assert len(requests.of(NEW).bad()) == pytest.approx(0.3 * len(requests.of(NEW)), rel=0.5)
