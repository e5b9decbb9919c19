"""Rollouts under real requests: Envoy moves them, the controller judges what Envoy has counted."""

from __future__ import annotations

from e2e.dataplane.behaviour import Behaviour
from e2e.dataplane.scene import TARGET, WORKERS_FOLLOW, Scene
from e2e.shop import NEW, OLD, THREE

BY_PROMETHEUS = {"interval": "4s", "warmup": "0s", "source": "Prometheus", "target": TARGET}
"""Windows of four scrapes, the shortest that there may be."""


def test_a_good_release_reaches_everybody_and_no_request_is_lost(scene: Scene) -> None:
    scene.open()
    scene.measure()
    load = scene.load(rate=100, seconds=120, poisson=5)
    scene.until(lambda: load.answered > 0, "first request")
    scene.shop.start()
    scene.shop.roll_out(**THREE)
    scene.shop.until_told("Promoted", timeout=60)
    scene.until(lambda: scene.canary_weights() == {NEW: 100}, "weight 100 at the proxy")
    mark = load.answered
    scene.until(lambda: load.answered >= mark + 100, "requests after the promotion")
    requests = load.stop()
    print(f"\n{scene.weight_table()}\n{requests.table()}")
    assert scene.shop.raised() == [0, 20, 60, 100]
    assert all(shift.seen == shift.asked for shift in scene.canary_shifts())
    assert not len(requests.lost())
    assert set(requests.counts()) == {(OLD, 200), (NEW, 200)}
    last = scene.canary_shifts()[-1].used_at
    assert last is not None
    assert set(requests.between(last + WORKERS_FOLLOW).counts()) == {(NEW, 200)}


def test_half_of_all_requests_failing_takes_the_release_back(scene: Scene) -> None:
    scene.open()
    scene.behave(NEW, Behaviour(errors=0.5))
    scene.measure()
    load = scene.load(rate=100, seconds=120, poisson=6)
    scene.until(lambda: load.answered > 0, "first request")
    scene.shop.start()
    scene.shop.roll_out(**THREE)
    scene.shop.until_told("RolledBack", timeout=60)
    mark = load.answered
    scene.until(lambda: load.answered >= mark + 100, "requests after the rollback")
    requests = load.stop()
    print(f"\n{scene.weight_table()}\n{requests.table()}")
    print(f"first bad answer to weight 0: {scene.seconds_to_nothing(requests):.2f} s")
    assert scene.shop.raised() == [0, 20, 0]
    assert not len(requests.of(OLD).bad())
    assert not len(requests.lost())
    end = scene.canary_shifts()[-1].used_at
    assert end is not None
    assert set(requests.between(end + WORKERS_FOLLOW).counts()) == {(OLD, 200)}


def test_a_good_release_by_prometheus_loses_no_request(scene: Scene) -> None:
    scene.open()
    with scene.prometheus() as prometheus:
        load = scene.load(rate=100, seconds=240, poisson=7)
        scene.until(lambda: load.answered > 0, "first request")
        scene.start(prometheus)
        scene.shop.roll_out(**THREE, analysis=BY_PROMETHEUS)
        scene.shop.until_told("Promoted", timeout=120)
        requests = load.stop()
    print(f"\n{scene.weight_table()}\n{requests.table()}")
    assert scene.shop.raised() == [0, 20, 60, 100]
    assert not len(requests.lost())
    assert set(requests.counts()) == {(OLD, 200), (NEW, 200)}
    # The SMI metrics server had no numbers to give.
    assert scene.shop.smi.answers(scene.shop.namespace) == []


def test_half_of_all_requests_failing_is_seen_by_prometheus(scene: Scene) -> None:
    scene.open()
    scene.behave(NEW, Behaviour(errors=0.5))
    with scene.prometheus() as prometheus:
        load = scene.load(rate=100, seconds=240, poisson=8)
        scene.until(lambda: load.answered > 0, "first request")
        scene.start(prometheus)
        metrics = [{"name": "success-rate", "min": "99", "rollbackAt": "70"}]
        scene.shop.roll_out(**THREE, analysis={**BY_PROMETHEUS, "metrics": metrics})
        scene.shop.until_told("RolledBack", timeout=120)
        requests = load.stop()
    print(f"\n{scene.weight_table()}\n{requests.table()}")
    print(f"first bad answer to weight 0: {scene.seconds_to_nothing(requests):.2f} s")
    assert scene.shop.raised() == [0, 20, 0]
    assert not len(requests.lost())
