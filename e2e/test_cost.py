"""What a Canary costs the API server, counted in its audit log."""

from __future__ import annotations

import time

from e2e.plane.audit import AuditEvent, Mark
from e2e.shop import CANARIES, NAME, NEW, OLD, Shop, canary_spec
from e2e.smi_wire import Numbers

IDLE = 5.0


def words(event: AuditEvent) -> str:
    """`update trafficsplits`, `patch canaries/status`."""
    return f"{event.verb} {event.resource}{'/' if event.subresource else ''}{event.subresource}"


def asked(shop: Shop, mark: Mark) -> list[str]:
    return [words(event) for event in shop.requests(mark)]


def test_an_idle_canary_asks_for_nothing(shop: Shop) -> None:
    shop.open()
    shop.start(leader_elect=True)
    shop.roll_out(steps=[{"weight": 100, "hold": "1s"}])
    for number in range(20):
        spec = canary_spec({"service": {"name": f"web-{number}"}, "suspend": True})
        body = {"apiVersion": "canary.delivery/v1beta1", "kind": "Canary", "metadata": {"name": f"idle-{number}"}}
        shop.create(CANARIES, body | spec)
    shop.until_told("Promoted")
    time.sleep(3.0)
    mark = shop.plane.audit.mark()
    time.sleep(IDLE)
    costs = [word for word in asked(shop, mark) if not word.startswith("watch ")]
    assert set(costs) <= {"get leases", "update leases"}, costs


def test_a_rollback_is_one_read_and_one_write_before_anything_else(shop: Shop) -> None:
    shop.open()
    shop.start()
    metrics = [{"name": "success-rate", "min": "99", "rollbackAt": "50"}]
    shop.roll_out(steps=[{"weight": 20, "hold": "2m"}], analysis={"interval": "1s", "warmup": "0s", "metrics": metrics})
    shop.until_weight(20)
    time.sleep(1.5)
    mark = shop.plane.audit.mark()
    shop.numbers(NEW, Numbers(rate=100, errors=1.0))
    shop.until_told("RolledBack")
    time.sleep(0.5)
    found = [word for word in asked(shop, mark) if not word.startswith("watch ")]
    down = found.index("update trafficsplits")
    answered = max(index for index, word in enumerate(found[:down]) if word == "list deployments")
    assert found[answered + 1 : down + 1] == ["get trafficsplits", "update trafficsplits"]
    assert shop.weights() == {OLD: 100}


def test_a_raise_is_three_reads_a_write_a_status_and_an_event(shop: Shop) -> None:
    shop.open()
    shop.start()
    # A verdict of the new weight would be one more status: it comes after two seconds.
    steps = [{"weight": 20, "hold": "1s"}, {"weight": 100, "hold": "2m"}]
    shop.roll_out(steps=steps, analysis={"interval": "2s", "warmup": "0s"})
    shop.until_weight(20)
    time.sleep(0.9)
    mark = shop.plane.audit.mark()
    shop.until_weight(100)
    time.sleep(0.7)
    found = [word for word in asked(shop, mark) if not word.startswith(("watch ", "list deployments"))]
    assert found[:4] == ["get canaries", "list endpointslices", "get trafficsplits", "update trafficsplits"]
    assert sorted(found[4:]) == ["create events", "patch canaries/status"]


def test_one_call_of_the_metrics_api_serves_every_canary_of_a_namespace(shop: Shop) -> None:
    shop.open()
    shop.create_second(f"{NAME}-second")
    shop.start()
    hold = [{"weight": 20, "hold": "2m"}]
    shop.roll_out(steps=hold)
    body = {"apiVersion": "canary.delivery/v1beta1", "kind": "Canary", "metadata": {"name": f"{NAME}-second"}}
    shop.create(CANARIES, body | canary_spec({"service": {"name": f"{NAME}-second"}, "steps": hold}))
    shop.until(lambda: shop.weight() == 20 and shop.weight_of(f"{NAME}-second") == 20, "two rollouts")
    before = len(shop.smi.asked(shop.namespace))
    time.sleep(4.0)
    assert 3 <= len(shop.smi.asked(shop.namespace)) - before <= 5
