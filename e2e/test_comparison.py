"""The comparison with stable under real requests: Envoy moves them, Prometheus scrapes, the controller weighs.

Run with -s to see the numbers.
"""

from __future__ import annotations

from e2e.dataplane.behaviour import Behaviour
from e2e.dataplane.scene import Scene
from e2e.dataplane.trial import at, trial
from e2e.shop import NEW, OLD


def compared(least: str) -> dict[str, object]:
    return {"metrics": [{"name": "success-rate", "min": least, "compare": "Stable"}]}


def test_a_release_that_fails_more_often_than_stable_is_taken_back_long_before_its_limit(scene: Scene) -> None:
    scene.open()
    scene.behave(OLD, Behaviour(errors=0.01))
    with trial(scene, seed=31, **at(20, "2m"), analysis=compared("40")) as run:
        run.weight_seen(20)
        run.more_requests()
        scene.behave(NEW, Behaviour(errors=0.3))
        requests = run.end("RolledBack")
    print(f"first bad answer to weight 0: {scene.seconds_to_nothing(requests):.2f} s")
    assert "more than 20% worse: evidence " in scene.shop.condition_message("Ready")
    assert scene.shop.raised() == [0, 20, 0]
    assert not len(requests.lost())


def test_an_outage_of_both_versions_holds_a_rollout_that_compares_them_and_then_goes_on(scene: Scene) -> None:
    scene.open()
    with trial(scene, seed=32, **at(20, "6s"), analysis=compared("90")) as run:
        run.weight_seen(20)
        for version in (OLD, NEW):
            scene.behave(version, Behaviour(errors=0.5))
        scene.shop.until(lambda: scene.shop.condition("Reconciling")[1] == "SharedDegradation", "a hold", 60)
        run.more_requests(500)
        assert scene.shop.raised() == [0, 20]
        for version in (OLD, NEW):
            scene.behave(version, Behaviour())
        requests = run.end("Promoted")
    assert scene.shop.raised() == [0, 20, 100]
    assert not len(requests.lost())
