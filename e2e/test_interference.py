"""Other people and programs at the TrafficSplit and at the Canary while a rollout runs."""

from __future__ import annotations

import time
from typing import Any

import pytest

from canary.api.names import OWNER_ANNOTATION, STATE_ANNOTATION
from e2e.shop import CANARIES, DEPLOYMENTS, HELD, NAME, NEW, OLD, SPLITS, Shop, has_finalizer, weights_of

REPAIRED = 2.0
"""Seconds in which a raise by others must be undone."""


def split(name: str = NAME, weight: int = 0, **metadata: Any) -> dict[str, Any]:
    """A TrafficSplit of somebody else."""
    backends = [{"service": NEW, "weight": weight}, {"service": OLD, "weight": 100 - weight}]
    meta = {"name": name, **metadata}
    return {
        "apiVersion": "split.smi-spec.io/v1alpha4",
        "kind": "TrafficSplit",
        "metadata": meta,
        "spec": {"service": NAME, "backends": backends},
    }


def at_20(shop: Shop) -> None:
    """A rollout that stays at 20 %."""
    shop.open()
    shop.start()
    shop.roll_out(**HELD)
    shop.until_weight(20)
    shop.until_told("Progressing")


def test_a_weight_that_somebody_raises_is_put_back(shop: Shop) -> None:
    at_20(shop)
    shop.edit_weight(90)
    assert shop.until_weight(20) < REPAIRED
    shop.until(lambda: "DriftRepaired" in shop.reasons(), "event")
    assert any("e2e changed the backends" in note for reason, note in shop.events() if reason == "DriftRepaired")
    assert shop.phase() == "Progressing"


def test_a_weight_that_somebody_lowers_is_held_until_resume(shop: Shop) -> None:
    at_20(shop)
    shop.patch_spec({"steps": [{"weight": 20, "hold": "1s"}, {"approval": "never"}]})
    shop.edit_weight(10)
    shop.until(lambda: shop.condition("Paused") == ("True", "ManualWeight"), "hold")
    time.sleep(2.5)
    assert shop.weight() == 10
    shop.patch_spec({"steps": [{"weight": 20, "hold": "1s"}, {"weight": 100, "hold": "1s"}]})
    shop.command("resume")
    shop.until_told("Promoted")
    assert shop.raised() == [0, 20, 10, 20, 100]


def test_a_weight_that_somebody_sets_to_nothing_is_an_abort(shop: Shop) -> None:
    at_20(shop)
    shop.edit_weight(0)
    shop.until_told("RolledBack")
    assert shop.weights() == {OLD: 100}
    assert shop.condition("Stalled") == ("True", "Aborted")


def test_a_split_that_is_deleted_comes_back_with_nothing_for_the_canary(shop: Shop) -> None:
    at_20(shop)
    shop.patch_spec({"steps": [{"weight": 20, "hold": "1s"}, {"weight": 100, "hold": "1s"}]})
    first = shop.uid("trafficsplits")
    shop.delete(SPLITS, NAME)
    shop.until(lambda: shop.uid("trafficsplits") not in ("", first), "another split")
    shop.until_told("Promoted")
    assert weights_of(shop.first_of(shop.uid("trafficsplits"))) == {OLD: 100}


def test_a_split_without_its_state_starts_over_at_nothing(shop: Shop) -> None:
    at_20(shop)
    shop.patch_spec({"steps": [{"weight": 20, "hold": "1s"}, {"weight": 100, "hold": "1s"}]})
    shop.patch(SPLITS, NAME, {"metadata": {"annotations": {STATE_ANNOTATION: None}}})
    shop.until_weight(0)
    shop.until_told("Promoted")
    assert shop.raised()[-4:] == [20, 0, 20, 100]


def test_a_split_of_another_owner_is_left_alone(shop: Shop) -> None:
    shop.open()
    deployment = shop.get(DEPLOYMENTS, OLD)
    assert deployment is not None
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": OLD, "uid": deployment["metadata"]["uid"]}
    shop.create(SPLITS, split(ownerReferences=[{**owner, "controller": True}]))
    shop.start()
    shop.roll_out()
    shop.until(lambda: shop.condition("Stalled") == ("True", "TrafficConflict"), "conflict")
    time.sleep(2.0)
    assert len(shop.commits("trafficsplits")) == 1
    assert not has_finalizer(shop.object("canaries"))


def test_a_split_of_another_canary_is_left_alone(shop: Shop) -> None:
    shop.open()
    shop.create(SPLITS, split(annotations={OWNER_ANNOTATION: "other/0000"}))
    shop.start()
    shop.roll_out(traffic={"settle": "0s", "adopt": True})
    shop.until(lambda: shop.condition("Stalled") == ("True", "TrafficConflict"), "conflict")
    assert len(shop.commits("trafficsplits")) == 1


def test_a_second_split_of_the_same_service_is_a_conflict_until_it_goes(shop: Shop) -> None:
    shop.open()
    shop.create(SPLITS, split("another"))
    shop.start()
    shop.roll_out(steps=[{"weight": 100, "hold": "1s"}])
    shop.until(lambda: shop.condition("Stalled") == ("True", "TrafficConflict"), "conflict")
    assert shop.object("trafficsplits") is None
    shop.delete(SPLITS, "another")
    shop.until_told("Promoted")


def test_a_split_of_nobody_is_adopted_where_that_is_asked_for(shop: Shop) -> None:
    shop.open()
    shop.create(SPLITS, split(weight=30, labels={"team": "shop"}))
    shop.start()
    shop.roll_out(steps=[{"weight": 100, "hold": "1s"}])
    shop.until(lambda: shop.condition("Stalled") == ("True", "TrafficConflict"), "conflict")
    assert shop.weight() == 30
    shop.patch_spec({"traffic": {"adopt": True}})
    shop.until_told("Promoted")
    found = shop.object("trafficsplits")
    assert found is not None
    assert found["metadata"]["labels"]["team"] == "shop"
    assert shop.raised() == [30, 0, 100]


@pytest.mark.parametrize("cascade", ["foreground", "background", "orphan"])
def test_a_deleted_canary_leaves_its_traffic_where_it_serves(shop: Shop, cascade: str) -> None:
    at_20(shop)
    shop.kubectl("delete", "canaries.canary.delivery", NAME, f"--cascade={cascade}", "--timeout=20s")
    shop.until(lambda: shop.object("canaries") is None, "end of the Canary")
    found = shop.object("trafficsplits")
    assert found is not None
    assert shop.weights() == {OLD: 100}
    assert "deletionTimestamp" not in found["metadata"]
    assert STATE_ANNOTATION not in found["metadata"]["annotations"]
    # The same Canary, applied again, knows its split by the owner annotation.
    shop.roll_out(steps=[{"weight": 100, "hold": "1s"}])
    shop.until_told("Promoted")


def test_a_canary_is_deleted_while_no_controller_runs(shop: Shop) -> None:
    at_20(shop)
    shop.controllers[0].kill()
    shop.delete(CANARIES, NAME, "Foreground")
    time.sleep(0.5)
    assert has_finalizer(shop.object("canaries"))
    assert shop.weight() == 20
    shop.controllers[0].start()
    shop.until(lambda: shop.object("canaries") is None, "end of the Canary")
    assert shop.weights() == {OLD: 100}


def test_a_canary_that_lost_its_finalizer_is_found_again_at_nothing(shop: Shop) -> None:
    at_20(shop)
    shop.controllers[0].kill()
    shop.patch(CANARIES, NAME, {"metadata": {"finalizers": None}})
    shop.delete(CANARIES, NAME)
    shop.until(lambda: shop.object("canaries") is None, "end of the Canary")
    shop.controllers[0].start()
    shop.roll_out()
    shop.until_weight(0)
    shop.until_told("Promoted")
    assert has_finalizer(shop.object("canaries"))


def test_a_namespace_with_a_rollout_can_be_deleted(shop: Shop) -> None:
    # Its own Role would go with it, and leave the controller without the right to let go.
    home = shop.plane.api.json("POST", "/api/v1/namespaces", {"metadata": {"generateName": "canary-system-"}})
    shop.install(everywhere=home["metadata"]["name"], leader_elect=True)
    at_20(shop)
    shop.delete_namespace()
    shop.until(lambda: shop.object("canaries") is None, "end of the Canary")
