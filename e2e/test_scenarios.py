"""What goes wrong with releases, under real requests: Envoy moves them, Prometheus scrapes, the controller judges.

Run with -s to see the numbers: requests by version and outcome, weights asked and seen, and how long each took.
"""

from __future__ import annotations

import time

from e2e.dataplane.behaviour import Behaviour
from e2e.dataplane.scene import CALLER, Scene
from e2e.dataplane.trial import at, trial
from e2e.shop import NEW, OLD

BAD = Behaviour(errors=0.5)
TWENTY = "20s"


def test_five_percent_of_errors_take_the_release_back(scene: Scene) -> None:
    scene.open()
    scene.behave(NEW, Behaviour(errors=0.05))
    with trial(scene, seed=21, **at(20)) as run:
        requests = run.end("RolledBack")
    print(f"first bad answer to weight 0: {scene.seconds_to_nothing(requests):.2f} s")
    assert scene.shop.raised() == [0, 20, 0]
    assert not len(requests.lost())


def test_a_p99_that_tripled_takes_the_release_back(scene: Scene) -> None:
    scene.open()
    scene.behave(OLD, Behaviour(median=0.02, p99=0.06))
    scene.behave(NEW, Behaviour(median=0.02, p99=0.18))
    latency = {"metrics": [{"name": "latency", "quantile": "p99", "max": "100ms"}], "minBad": 1}
    with trial(scene, seed=22, **at(50), analysis=latency) as run:
        requests = run.end("RolledBack")
    assert "p99" in scene.shop.condition_message("Ready")
    assert scene.shop.raised() == [0, 50, 0]
    assert not len(requests.bad())


def test_errors_that_begin_at_weight_50_take_the_release_back_from_there(scene: Scene) -> None:
    scene.open()
    steps = [{"weight": 20, "hold": "1s"}, {"weight": 50, "hold": "2m"}, {"weight": 100, "hold": "1s"}]
    with trial(scene, seed=23, steps=steps) as run:
        run.weight_seen(50)
        run.more_requests()
        scene.behave(NEW, Behaviour(errors=0.3))
        requests = run.end("RolledBack")
    print(f"first bad answer to weight 0: {scene.seconds_to_nothing(requests):.2f} s")
    assert scene.shop.raised() == [0, 20, 50, 0]
    assert not len(requests.lost())


def test_processes_killed_at_weight_25_lose_their_traffic_at_once_and_start_over(scene: Scene) -> None:
    scene.open()
    with trial(scene, seed=24, **at(25, "8s")) as run:
        run.weight_seen(25)
        killed = time.monotonic()
        scene.kill(NEW)
        run.weight_seen(0)
        taken = time.monotonic() - killed
        requests = run.end("Promoted")
    print(f"killed to weight 0: {taken:.2f} s; requests without an answer: {len(requests.bad())}")
    assert scene.shop.raised()[:4] == [0, 25, 0, 25]
    # A quarter of 100 requests a second, until the proxy has heard of it.
    assert len(requests.bad()) <= 25 * (taken + 1.0) * 2
    assert {request.answered_by for request in requests.bad()} <= {"(proxy)", "(nobody)", NEW}


def test_prometheus_away_at_weight_25_holds_and_goes_on_when_it_is_back(scene: Scene) -> None:
    scene.open()
    policy = {"timeout": TWENTY, "action": "Hold"}
    with trial(scene, seed=25, **at(25, "6s"), analysis={"noData": policy, "sourceError": policy}) as run:
        run.weight_seen(25)
        run.prometheus.stop()
        stopped = time.monotonic()
        scene.shop.until(lambda: scene.shop.condition("Paused") == ("True", "MetricsHold"), "a hold", 60)
        held = time.monotonic() - stopped
        run.more_requests(int(100 * max(0.0, 40.0 - held)))
        assert scene.shop.raised() == [0, 25]
        run.prometheus.start()
        requests = run.end("Promoted")
    print(f"held after {held:.1f} s without Prometheus")
    assert 20.0 <= held <= 35.0
    assert scene.shop.raised() == [0, 25, 100]
    assert not len(requests.lost())


def test_prometheus_away_for_longer_than_its_time_rolls_back_where_that_was_asked_for(scene: Scene) -> None:
    scene.open()
    policy = {"timeout": TWENTY, "action": "Rollback"}
    with trial(scene, seed=26, **at(25, "6s"), analysis={"noData": policy, "sourceError": policy}) as run:
        run.weight_seen(25)
        run.prometheus.stop()
        stopped = time.monotonic()
        requests = run.end("RolledBack")
        ended = time.monotonic() - stopped
    print(f"rolled back after {ended:.1f} s without Prometheus")
    assert 20.0 <= ended <= 35.0
    assert scene.shop.raised() == [0, 25, 0]
    assert not len(requests.bad())


def test_without_requests_nothing_is_promoted(scene: Scene) -> None:
    scene.open()
    policy = {"timeout": TWENTY, "action": "Rollback"}
    with trial(scene, requests=False, **at(25, "1s"), analysis={"noData": policy}) as run:
        run.end("RolledBack")
    assert scene.shop.raised() in ([0], [0, 25, 0])
    assert "no " in scene.shop.condition_message("Ready")


def test_a_controller_killed_during_a_bad_release_is_followed_by_one_that_takes_it_back(scene: Scene) -> None:
    scene.open()
    with trial(scene, seed=27, **at(20)) as run:
        run.weight_seen(20)
        run.more_requests()
        scene.behave(NEW, BAD)
        run.controller.kill()
        run.more_requests(200)
        run.controller.start()
        requests = run.end("RolledBack")
    print(f"first bad answer to weight 0, a restart among it: {scene.seconds_to_nothing(requests):.2f} s")
    assert scene.shop.raised() == [0, 20, 0]
    assert not len(requests.lost())


def test_a_release_that_is_as_bad_as_what_serves_is_not_promoted(scene: Scene) -> None:
    scene.open()
    for version in (OLD, NEW):
        scene.behave(version, BAD)
    with trial(scene, seed=28, **at(20)) as run:
        requests = run.end("RolledBack")
    assert scene.shop.raised() == [0, 20, 0]
    assert len(requests.of(OLD).bad())


def test_a_raise_by_hand_is_put_back_and_costs_no_request(scene: Scene) -> None:
    scene.open()
    with trial(scene, seed=29, **at(20, "8s")) as run:
        run.weight_seen(20)
        edited = time.monotonic()
        scene.shop.edit_weight(80)
        scene.shop.until(lambda: scene.shop.raised()[-2:] == [80, 20], "the repair")
        run.weight_seen(20)
        repaired = time.monotonic() - edited
        requests = run.end("Promoted")
    print(f"an edit by hand was put back at the proxy after {repaired:.2f} s")
    assert scene.shop.raised() == [0, 20, 80, 20, 100]
    assert "DriftRepaired" in scene.shop.reasons()
    assert repaired < 5.0
    assert not len(requests.bad())


def test_what_one_caller_sees_takes_a_release_back(scene: Scene) -> None:
    scene.open()
    scene.behave(NEW, BAD)
    seen = {"name": "seen-by-checkout", "min": "99", "from": {"kind": "Deployment", "name": CALLER}}
    with trial(scene, seed=30, **at(20), analysis={"metrics": [seen]}) as run:
        run.end("RolledBack")
    assert f"seen by Deployment {CALLER}" in scene.shop.condition_message("Ready")
    assert scene.shop.raised() == [0, 20, 0]
