"""Rollouts whose proxies the controller reads itself, each second: `canary run --proxies=envoy`, and real sidecars.

In a network namespace in which Pods have their addresses, hence no `test_*.py`: `e2e/test_direct.py` starts it there.
"""

from __future__ import annotations

import http.client
import time
from functools import partial
from typing import Any

from e2e.dataplane.behaviour import Behaviour
from e2e.dataplane.network import connections
from e2e.dataplane.proxy import LoadProcess
from e2e.dataplane.requests import Requests
from e2e.dataplane.scene import Scene
from e2e.dataplane.sidecar import STATISTICS_PORT
from e2e.dataplane.statistics import PATH, Shown
from e2e.shop import DEPLOYMENTS, NEW, OLD, THREE

BAD = Behaviour(errors=0.5)
ENOUGH = 5.0
"""Seconds within which a release that fails half of its requests must be gone."""
DIRECTLY: dict[str, Any] = {
    # A rise follows a window at once. Less than a window costs that one, a whole window would cost two.
    "traffic": {"settle": "500ms"},
    "analysis": {
        "interval": "1s",
        "warmup": "0s",
        "source": "Proxies",
        "metrics": [{"name": "success-rate", "min": "99", "rollbackAt": "90"}],
    },
}
TEN: dict[str, Any] = {"steps": [{"weight": 10, "hold": "60s"}, {"weight": 100, "hold": "1s"}]}
"""A plan that stays at 10 %."""
NOTHING = "(nothing)"


def until_more(scene: Scene, load: LoadProcess, count: int, what: str) -> None:
    """Waits until so many more requests have had their outcome."""
    mark = load.answered
    scene.until(lambda: load.answered >= mark + count, what)


def opened(scene: Scene, seed: int) -> LoadProcess:
    """The application with its sidecars, under 100 requests a second."""
    scene.open(sidecars=True)
    load = scene.load(rate=100, seconds=120, poisson=seed)
    scene.until(lambda: load.answered > 0, "first request")
    return load


def ended(scene: Scene, load: LoadProcess) -> Requests:
    """All requests, with one second of them after the last change of weights."""
    until_more(scene, load, 100, "requests after the end")
    requests = load.stop()
    print(f"\n{scene.weight_table()}\n{requests.table()}\n{scene.shop.status().message}")
    return requests


def pages(scene: Scene, version: str) -> list[str]:
    """What each sidecar of the version answers to a reader; `NOTHING` for no answer."""
    return [_page(pod["status"]["podIP"]) for pod in scene.pods(version)]


def _page(address: str) -> str:
    connection = http.client.HTTPConnection(address, STATISTICS_PORT, timeout=0.3)
    try:
        connection.request("GET", PATH)
        return connection.getresponse().read().decode()
    except TimeoutError:
        return NOTHING
    finally:
        connection.close()


def refuses(address: str) -> bool:
    """Whether nothing listens there any more."""
    try:
        _page(address)
    except ConnectionRefusedError:
        return True
    return False


def test_a_bad_release_is_gone_within_five_seconds_of_its_first_bad_answer(scene: Scene) -> None:
    load = opened(scene, 21)
    scene.behave(NEW, BAD)
    scene.start_reading_proxies()
    scene.shop.roll_out(**TEN, **DIRECTLY)
    scene.shop.until_told("RolledBack", timeout=60)
    requests = ended(scene, load)
    seconds = scene.seconds_to_nothing(requests)
    print(f"first bad answer to weight 0: {seconds:.2f} s, {len(requests.bad())} bad answers")
    assert scene.shop.raised() == [0, 10, 0]
    assert seconds < ENOUGH
    assert not len(requests.lost())
    assert not len(requests.of(OLD).bad())


def test_a_release_that_turns_bad_later_is_gone_as_soon(scene: Scene) -> None:
    load = opened(scene, 22)
    scene.start_reading_proxies()
    scene.shop.roll_out(**TEN, **DIRECTLY)
    scene.until(lambda: scene.canary_weights().get(NEW) == 10, "weight 10 at the proxy")
    until_more(scene, load, 200, "two seconds at weight 10")
    scene.behave(NEW, BAD)
    scene.shop.until_told("RolledBack", timeout=60)
    requests = ended(scene, load)
    seconds = scene.seconds_to_nothing(requests)
    print(f"first bad answer to weight 0: {seconds:.2f} s, {len(requests.bad())} bad answers")
    assert scene.shop.raised() == [0, 10, 0]
    assert seconds < ENOUGH


def test_a_good_release_reaches_everybody_and_leaves_no_connection_to_pods_that_went(scene: Scene) -> None:
    load = opened(scene, 23)
    gone = {pod["status"]["podIP"] for pod in scene.pods(OLD)}
    scene.start_reading_proxies()
    scene.shop.roll_out(**THREE, **DIRECTLY)
    scene.until(lambda: gone <= set(connections(STATISTICS_PORT)), "connection to each proxy")
    scene.shop.until_told("Promoted", timeout=60)
    requests = ended(scene, load)
    assert scene.shop.raised() == [0, 20, 60, 100]
    assert not len(requests.lost())
    assert set(requests.counts()) == {(OLD, 200), (NEW, 200)}
    scene.shop.patch(DEPLOYMENTS, OLD, {"spec": {"replicas": 0}})
    took = scene.until(lambda: not gone & set(connections(STATISTICS_PORT)), "end of the connections")
    print(f"no connection to a Pod of {OLD} {took:.1f} s after they were told to go")
    scene.until(lambda: all(refuses(address) for address in gone), "end of the sidecars")


def shown(scene: Scene, page: str) -> bool:
    """Whether every proxy of the new version shows what begins like this."""
    return all(got.startswith(page) for got in pages(scene, NEW))


def test_proxies_that_answer_nonsense_or_nothing_hold_a_release_until_they_recover(scene: Scene) -> None:
    load = opened(scene, 24)
    scene.start_reading_proxies()
    scene.show_statistics(NEW, Shown.AS_A_PAGE)
    scene.shop.roll_out(**THREE, **DIRECTLY)
    scene.shop.until(lambda: "no metrics in the text format" in scene.shop.status().message, "status that says why")
    print(f"\n{scene.shop.status().message}")
    for how, page in ((Shown.AS_A_PAGE, "<html>"), (Shown.NEVER, NOTHING)):
        scene.show_statistics(NEW, how)
        scene.until(partial(shown, scene, page), f"proxies {how.value}")
        until_more(scene, load, 200, "two windows without numbers")
        assert scene.shop.weight() == 20
    scene.show_statistics(NEW, Shown.TRULY)
    recovered = time.monotonic()
    scene.shop.until_told("Promoted", timeout=60)
    print(f"promoted {time.monotonic() - recovered:.1f} s after the proxies had recovered")
    requests = ended(scene, load)
    assert scene.shop.raised() == [0, 20, 60, 100]
    assert not len(requests.lost())


def test_a_bad_release_is_taken_back_by_the_controller_that_comes_after_one_that_was_killed(scene: Scene) -> None:
    load = opened(scene, 25)
    scene.behave(NEW, BAD)
    controller = scene.start_reading_proxies()
    scene.shop.roll_out(**TEN, **DIRECTLY)
    scene.until(lambda: scene.canary_weights().get(NEW) == 10, "weight 10 at the proxy")
    controller.kill()
    until_more(scene, load, 200, "two seconds without a controller")
    assert scene.canary_weights().get(NEW) == 10
    controller.start()
    started = time.monotonic()
    scene.shop.until_told("RolledBack", timeout=60)
    requests = ended(scene, load)
    back = scene.canary_shifts()[-1].used_at
    assert back is not None
    print(f"first bad answer to weight 0: {scene.seconds_to_nothing(requests):.2f} s")
    print(f"start of the second controller to weight 0: {back - started:.2f} s")
    assert scene.shop.raised() == [0, 10, 0]
