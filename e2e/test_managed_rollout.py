"""Managed mode on the real control plane, under load: a new image goes out by itself, or comes back by itself."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.dataplane.behaviour import Behaviour
from e2e.managed import manifests
from e2e.managed.manifests import STABLE
from e2e.managed.scene import ManagedScene
from e2e.managed.shop import CONFIG_MAPS, ManagedShop
from e2e.shop import FAILING, NAME, WORKING

BEHAVIOUR = "test-kubelet/behaviour"
OVERDUE = {"progressDeadline": "1s"}
"""Ends what has been waited for long enough: a deadline from the beginning would race with the machine's other work."""


def test_a_pushed_image_is_rolled_out_and_promoted_without_a_failed_request(mesh: ManagedScene) -> None:
    mesh.open_managed()
    mesh.measure()
    with mesh.calling() as load:
        mesh.shop.onboard()
        mesh.push("2")
        mesh.shop.until_told("Promoted", timeout=60)
        mesh.shop.until(lambda: mesh.shop.replicas(NAME) == 0, "candidate at rest")
        requests = mesh.no_request_failed(load)
    assert mesh.shop.raised() == [0, 20, 60, 0]
    assert {version for version, _ in requests.counts()} == {"1", "2"}
    assert mesh.shop.image(STABLE) == "web:2"


def test_an_image_that_fails_is_taken_back_and_only_its_own_answers_were_bad(mesh: ManagedScene) -> None:
    mesh.behave("2", Behaviour(errors=0.5))
    mesh.open_managed()
    mesh.measure()
    with mesh.calling() as load:
        mesh.shop.onboard()
        mesh.push("2")
        mesh.shop.until_told("RolledBack", timeout=60)
        mesh.more_requests(load)
        requests = load.stop()
    assert not len(requests.lost())
    assert not len(requests.of("1").bad())
    assert mesh.shop.raised() == [0, 20, 0]
    assert mesh.shop.image(STABLE) == "web:1"


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [("pending", "imagepullbackoff"), ("crash-loop", "crash")],
    ids=["image that is not there", "crash loop"],
)
def test_an_image_that_does_not_start_gets_no_traffic_and_is_named(
    managed: ManagedShop, behaviour: str, words: str
) -> None:
    managed.open()
    managed.onboard()
    managed.push("2", **{BEHAVIOUR: behaviour, "test-kubelet/ready-after": "3600"})
    managed.until(lambda: words in managed.message().lower(), words)
    managed.patch_spec(OVERDUE)
    managed.until_told("RolledBack")
    assert managed.raised() == [0]
    assert words in managed.message().lower()
    managed.until(lambda: managed.replicas(NAME) == 0, "candidate at rest")


def test_a_release_that_crashes_at_weight_fails_only_what_was_sent_to_it_and_is_given_up(mesh: ManagedScene) -> None:
    """Its processes die whenever they have weight: requests are lost between that and the weight's end, none else."""
    mesh.shop.loses_pods = True
    mesh.open_managed()
    mesh.measure()
    with mesh.calling() as load:
        mesh.shop.onboard(steps=[{"weight": 20, "hold": "2m"}])
        mesh.push("2")
        while mesh.shop.phase() not in ("RollingBack", "RolledBack"):
            mesh.shop.until(
                lambda: mesh.shop.weight() == 20 or mesh.shop.phase() != "Progressing", "weight, or the end"
            )
            if mesh.shop.phase() == "Progressing":
                mesh.kill(NAME)
            mesh.shop.until(lambda: mesh.shop.weight() == 0, "weight 0")
        mesh.shop.until_told("RolledBack")
        mesh.more_requests(load)
        requests = load.stop()
    print(f"\n{mesh.weight_table()}\n{requests.table()}")
    assert 1 <= mesh.shop.raised().count(20) <= 3
    assert not len(requests.of("1").bad())
    exposed = mesh.exposed()
    assert [one for one in requests.bad() if not any(start <= one.sent <= end for start, end in exposed)] == []


def test_a_promotion_that_stable_cannot_follow_is_undone_without_a_failed_request(mesh: ManagedScene) -> None:
    """The release works as a canary; stable's new Pods never get ready."""
    mesh.behave("2", Behaviour(unready_pods=STABLE))
    mesh.open_managed()
    mesh.measure()
    with mesh.calling() as load:
        mesh.shop.onboard(steps=[{"weight": 20, "hold": "1s"}])
        mesh.push("2")
        mesh.shop.until(lambda: mesh.shop.phase() == "Promoting" and mesh.shop.image(STABLE) == "web:2", "promotion")
        mesh.more_requests(load)
        mesh.shop.patch_spec(OVERDUE)
        mesh.shop.until_told("RolledBack", timeout=60)
        mesh.no_request_failed(load)
    assert mesh.shop.image(STABLE) == "web:1"


def test_a_change_of_a_tracked_config_map_is_a_rollout_of_its_own(managed: ManagedShop) -> None:
    managed.open(others=(manifests.config(greeting="hello"),), config=True)
    managed.onboard()
    managed.apply(manifests.config(greeting="hi"))
    managed.until_told("Promoted")
    assert managed.raised() == [0, 20, 60, 0]
    copied = managed.get(CONFIG_MAPS, managed.container(STABLE)["envFrom"][0]["configMapRef"]["name"])
    assert copied is not None
    assert copied["data"] == {"greeting": "hi"}


# A change of mind.


def test_a_new_image_in_the_middle_takes_the_place_of_the_one_under_trial(mesh: ManagedScene) -> None:
    mesh.open_managed()
    mesh.measure()
    with mesh.calling() as load:
        mesh.shop.onboard(steps=[{"weight": 20, "hold": "4s"}, {"weight": 60, "hold": "1s"}])
        mesh.push("2")
        mesh.until(lambda: any(request.version == "2" for request in load.requests), "first answer of version 2")
        mesh.push("3")
        mesh.shop.until_told("Promoted", timeout=60)
        requests = mesh.no_request_failed(load)
    assert mesh.shop.raised() == [0, 20, 0, 20, 60, 0]
    assert mesh.shop.image(STABLE) == "web:3"
    assert {version for version, _ in requests.counts()} == {"1", "2", "3"}


def test_the_promoted_image_pushed_again_in_the_middle_ends_the_rollout(mesh: ManagedScene) -> None:
    mesh.open_managed()
    mesh.measure()
    with mesh.calling() as load:
        mesh.shop.onboard(steps=[{"weight": 20, "hold": "2m"}])
        mesh.push("2")
        mesh.shop.until_weight(20)
        mesh.push("1")
        mesh.shop.until_told("Idle")
        mesh.shop.until(lambda: mesh.shop.replicas(NAME) == 0, "candidate at rest")
        mesh.no_request_failed(load)
    assert mesh.shop.raised() == [0, 20, 0]
    assert mesh.shop.condition("Promoted")[0] == "True"


def test_a_rejected_image_stays_rejected_until_somebody_says_retry(managed: ManagedShop) -> None:
    managed.open()
    managed.onboard(steps=[{"weight": 20, "hold": "1s"}], analysis=SEVERE)
    managed.numbers(NAME, FAILING)
    managed.push("2")
    managed.until_told("RolledBack")
    managed.numbers(NAME, WORKING)
    managed.push("2")
    managed.until(lambda: managed.replicas(NAME) == 0, "candidate at rest")
    managed.kubectl("annotate", "canaries.canary.delivery", NAME, f"canary.delivery/command={_retry(managed)}")
    managed.until_told("Promoted")
    assert managed.image(STABLE) == "web:2"
    assert managed.raised() == [0, 20, 0, 20, 0]


def test_a_fix_goes_out_while_stable_itself_is_broken(managed: ManagedShop) -> None:
    managed.loses_pods = True
    managed.open()
    managed.onboard(progressDeadline="2m")
    managed.break_pods(STABLE)
    managed.until(lambda: managed.ready_endpoints(STABLE) == 0, "a stable side without Pods")
    managed.push("2")
    managed.until_told("Promoted", timeout=60)
    assert managed.image(STABLE) == "web:2"
    assert managed.ready_endpoints(STABLE) == 2


SEVERE: dict[str, Any] = {
    "interval": "1s",
    "warmup": "0s",
    "metrics": [{"name": "success-rate", "min": "99", "rollbackAt": "95"}],
}


def _retry(shop: ManagedShop) -> str:
    return f"retry@{shop.status().canary_revision}@1"
