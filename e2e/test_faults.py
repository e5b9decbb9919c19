"""What breaks around a rollout: the controller itself, a second one, the API server, the metrics source."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.controller import ControllerProcess
from e2e.shop import FAILING, NAME, NEW, OLD, SERVICES, WORKING, Shop, service, state_of
from e2e.smi_endpoint import Failure
from e2e.smi_wire import Numbers

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
BROKEN = Numbers(rate=100, errors=1.0)
STRICT = {
    "interval": "1s",
    "warmup": "0s",
    "metrics": [{"name": "success-rate", "min": "99", "rollbackAt": "50"}],
}


class Refusal:
    """An admission policy that refuses every split whose state has a text, until it is lifted."""

    def __init__(self, shop: Shop, text: str) -> None:
        self._shop = shop
        self._text = text
        self._name = f"refuse-{shop.namespace}"

    def __enter__(self) -> Refusal:
        api = self._shop.plane.api
        state = "object.metadata.annotations['canary.delivery/state']"
        rule = {"apiGroups": ["split.smi-spec.io"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"]}
        spec = {
            "failurePolicy": "Ignore",
            "matchConstraints": {"resourceRules": [{**rule, "resources": ["trafficsplits"]}]},
            "validations": [{"expression": f"!{state}.contains('{self._text}')", "message": "not now"}],
        }
        space = {"matchLabels": {"kubernetes.io/metadata.name": self._shop.namespace}}
        binding = {
            "policyName": self._name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": space},
        }
        api.json("POST", POLICIES, {"metadata": {"name": self._name}, "spec": spec})
        api.json("POST", BINDINGS, {"metadata": {"name": self._name}, "spec": binding})
        return self

    def __exit__(self, *_: object) -> None:
        for collection in (BINDINGS, POLICIES):
            self._shop.plane.api.json("DELETE", f"{collection}/{self._name}")


def killed_while_initializing(shop: Shop, start: Callable[[], ControllerProcess]) -> None:
    shop.delete(SERVICES, NAME)
    controller = start()
    shop.roll_out()
    shop.until(lambda: shop.status().phase == "Initializing", "Initializing")
    controller.kill()
    shop.create(SERVICES, service(NAME, {"app": OLD}))


def killed_at_nothing(shop: Shop, start: Callable[[], ControllerProcess]) -> None:
    controller = start()
    shop.roll_out(analysis={"interval": "1s", "warmup": "5s"})
    shop.until_phase("Progressing")
    assert shop.weight() == 0
    controller.kill()


def killed_at_a_weight(shop: Shop, start: Callable[[], ControllerProcess]) -> None:
    controller = start()
    shop.roll_out()
    shop.until_weight(20)
    controller.kill()


def killed_while_promoting(shop: Shop, start: Callable[[], ControllerProcess]) -> None:
    controller = start()
    shop.roll_out(steps=[{"weight": 20, "hold": "1s"}])
    shop.until_phase("Promoting")
    controller.kill()


@pytest.mark.parametrize(
    "killed",
    [killed_while_initializing, killed_at_nothing, killed_at_a_weight, killed_while_promoting],
    ids=lambda killed: killed.__name__,
)
def test_a_killed_controller_is_followed_by_one_that_goes_on(shop: Shop, killed: Callable[..., None]) -> None:
    shop.open()
    killed(shop, shop.start)
    shop.controllers[0].start()
    shop.until_told("Promoted")
    raised = shop.raised()
    assert raised == sorted(raised), "nothing that was reached is lost by a restart"


def test_a_controller_that_was_killed_while_it_rolled_back_is_followed_by_one_that_ends_it(shop: Shop) -> None:
    shop.open()
    controller = shop.start()
    shop.roll_out(analysis=STRICT)
    shop.until_weight(20)
    with Refusal(shop, '"phase":"RolledBack"'):
        time.sleep(1.5)  # until the API server has heard of the policy
        shop.numbers(NEW, BROKEN)
        shop.until_phase("RollingBack")
        assert shop.weights() == {OLD: 100}
        shop.until(lambda: shop.condition("Stalled")[1] == "TrafficWriteRefused", "a word about the refusal")
        controller.kill()
        assert shop.phase() == "RollingBack"
    controller.start()
    shop.until_told("RolledBack")
    assert shop.weights() == {OLD: 100}


def test_a_breach_that_comes_while_nobody_looks_is_acted_on_by_the_next(shop: Shop) -> None:
    shop.open()
    controller = shop.start()
    shop.roll_out(steps=[{"weight": 20, "hold": "3s"}, {"weight": 100, "hold": "1s"}], analysis=STRICT)
    shop.until_weight(20)
    controller.kill()
    shop.numbers(NEW, BROKEN)
    time.sleep(3.5)
    controller.start()
    shop.until_told("RolledBack")
    assert shop.raised() == [0, 20, 0], "the hold was over, and still no window was Healthy"


def test_two_controllers_that_both_act_promote_once(shop: Shop) -> None:
    shop.open()
    first, second = shop.start("one"), shop.start("two")
    shop.roll_out()
    shop.until_told("Promoted")
    assert shop.raised() == [0, 20, 100]
    assert writers(shop) <= {first.identity, second.identity}
    first.stop()
    second.stop()


def test_two_controllers_that_both_act_roll_back_once(shop: Shop) -> None:
    shop.open()
    shop.numbers(NEW, FAILING)
    shop.start("one")
    shop.start("two")
    shop.roll_out()
    shop.until_told("RolledBack")
    time.sleep(2.0)  # the slower one has seen the breaches as well
    assert shop.raised() == [0, 20, 0]
    assert shop.reasons().count("RolledBack") == 1


def test_a_controller_that_stood_still_does_no_harm_when_it_wakes_up(shop: Shop) -> None:
    shop.open()
    sleeper = shop.start("sleeper")
    shop.roll_out(analysis=STRICT)
    shop.until_weight(20)
    sleeper.freeze()
    shop.numbers(NEW, BROKEN)
    shop.start("awake")
    shop.until_told("RolledBack")
    shop.numbers(NEW, WORKING)
    sleeper.thaw()
    time.sleep(3.0)
    assert shop.raised() == [0, 20, 0]


def test_leadership_is_handed_over_in_the_middle_of_a_rollout(shop: Shop) -> None:
    shop.open()
    leader = shop.start("one", leader_elect=True)
    shop.roll_out()
    shop.until_weight(20)
    follower = shop.start("two", leader_elect=True)
    assert holder(shop) == leader.identity
    began = time.monotonic()
    leader.stop()
    shop.until(lambda: holder(shop) == follower.identity, "another holder of the Lease")
    assert time.monotonic() - began < 4.0
    shop.until_told("Promoted")
    assert shop.raised() == [0, 20, 100]
    assert writers(shop) == {leader.identity, follower.identity}


def test_a_leader_that_stood_still_leads_no_more_when_it_wakes_up(shop: Shop) -> None:
    shop.open()
    sleeper = shop.start("sleeper", leader_elect=True)
    shop.roll_out(analysis=STRICT)
    shop.until_weight(20)
    sleeper.freeze()
    awake = shop.start("awake", leader_elect=True)
    shop.numbers(NEW, BROKEN)
    shop.until_told("RolledBack")
    assert holder(shop) == awake.identity
    sleeper.thaw()
    shop.until(lambda: not sleeper.running, "end of the old leader")
    assert holder(shop) == awake.identity
    assert shop.raised() == [0, 20, 0]


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_rollout_goes_on_after_a_restart_of_the_api_server(shop: Shop, kill: bool) -> None:
    shop.open()
    shop.start(leader_elect=kill)
    shop.roll_out()
    shop.until_weight(20)
    shop.plane.restart_apiserver(kill=kill)
    shop.until_told("Promoted", timeout=60.0)
    assert shop.raised() == [0, 20, 100]


def test_a_rollout_that_breaks_while_the_api_server_is_away_is_rolled_back(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(analysis=STRICT)
    shop.until_weight(20)
    shop.plane.apiserver.kill()
    shop.numbers(NEW, BROKEN)
    shop.plane.start_apiserver()
    shop.until_told("RolledBack", timeout=60.0)
    assert shop.raised() == [0, 20, 0]


@pytest.mark.parametrize("failure", [Failure.ERROR, Failure.TRUNCATED, Failure.HANG], ids=lambda f: f.name)
def test_a_failing_metrics_source_holds_and_never_promotes(shop: Shop, failure: Failure) -> None:
    shop.open()
    shop.start()
    shop.roll_out()
    shop.until_weight(20)
    shop.smi.fail(shop.namespace, failure)
    shop.until(lambda: shop.condition("Reconciling")[1] == "MetricsUnavailable", "word about the source")
    weight = shop.weight()
    time.sleep(2.5)
    assert shop.weight() == weight
    shop.smi.fail(shop.namespace, None)
    shop.until_told("Promoted")


def test_a_metrics_source_that_fails_from_the_start_lets_nothing_begin(shop: Shop) -> None:
    shop.open()
    shop.smi.fail(shop.namespace, Failure.UNAVAILABLE)
    shop.start()
    shop.roll_out()
    shop.until(lambda: shop.condition("Reconciling")[1] == "MetricsUnavailable", "word about the source")
    time.sleep(2.0)
    assert shop.raised() == [0]
    shop.smi.fail(shop.namespace, None)
    shop.until_told("Promoted")


def test_a_source_that_fails_for_too_long_rolls_back_where_that_is_wanted(shop: Shop) -> None:
    shop.open()
    shop.start()
    policy = {"sourceError": {"timeout": "2s", "action": "Rollback"}}
    shop.roll_out(analysis={"interval": "1s", "warmup": "0s", **policy})
    shop.until_weight(20)
    shop.smi.fail(shop.namespace, Failure.ERROR)
    shop.until_told("RolledBack")
    assert shop.condition("Stalled") == ("True", "SourceError")


@pytest.mark.parametrize(("action", "ends"), [("Hold", ""), ("Rollback", "RolledBack"), ("Advance", "Promoted")])
def test_a_canary_without_numbers_is_held_or_what_its_policy_says(shop: Shop, action: str, ends: str) -> None:
    shop.open()
    shop.start()
    no_data = {"noData": {"timeout": "2s", "action": action}}
    shop.roll_out(analysis={"interval": "1s", "warmup": "0s", **no_data})
    shop.until_weight(20)
    shop.numbers(NEW, None)
    if ends:
        shop.until_told(ends)
        return
    shop.until(lambda: shop.condition("Paused") == ("True", "MetricsHold"), "hold")
    shop.numbers(NEW, WORKING)
    shop.until_told("Promoted")


def test_a_canary_whose_pods_go_has_no_traffic_and_starts_over_when_they_return(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out()
    shop.until_weight(20)
    scale = "/apis/apps/v1/namespaces/{namespace}/deployments"
    shop.patch(scale, NEW, {"spec": {"replicas": 0}})
    assert shop.until_weight(0) < 5.0
    shop.patch(scale, NEW, {"spec": {"replicas": 2}})
    shop.until_told("Promoted")
    assert "EndpointsLost" in shop.reasons()


def writers(shop: Shop) -> set[str]:
    """Who has written the split."""
    return {state.writer for c in shop.commits("trafficsplits") if (state := state_of(c.new))}


def holder(shop: Shop) -> str:
    leases: Iterator[Any] = reversed(shop.commits("leases"))
    return next((lease.new["spec"].get("holderIdentity", "") for lease in leases if lease.new), "")
