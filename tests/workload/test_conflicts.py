"""What would miss the pods of the stable side."""

from __future__ import annotations

import pytest

from canary.api.names import LEFT_LABEL, OWNER_ANNOTATION
from canary.workload.conflicts import SelectorConflict, acknowledged, selector_conflicts, unacknowledged
from tests.workload.objects import LABELS, STABLE_LABELS, budget, obj, service

BY_APP = {"matchLabels": {"app": "podinfo"}}
BY_TIER = {"matchLabels": {"tier": "web"}}
BY_STABLE = {"matchLabels": {"app": "podinfo-stable"}}


def conflicts(*objects):
    return [
        (str(found), found.routes) for found in selector_conflicts(LABELS, STABLE_LABELS, objects, namespace="shop")
    ]


def policy(name="net", **spec):
    return obj("NetworkPolicy", name, {"podSelector": {"matchLabels": {"app": "db"}}} | spec)


def elsewhere(found):
    return found | {"metadata": found["metadata"] | {"namespace": "monitoring"}}


def test_a_service_of_the_candidate_alone_is_a_conflict_that_routes():
    assert conflicts(service("internal")) == [("Service/internal", True)]


@pytest.mark.parametrize("selector", [{"tier": "web"}, {"app": "api"}, {}, None, {"app": "podinfo-stable"}])
def test_a_service_of_both_sides_or_of_neither_is_no_conflict(selector):
    assert conflicts(service(selector=selector)) == []


def test_a_service_of_another_namespace_selects_other_pods():
    assert conflicts(elsewhere(service())) == []


def test_what_a_canary_has_left_behind_is_no_conflict():
    left = service("podinfo-canary")
    left["metadata"]["labels"] = {LEFT_LABEL: "podinfo"}
    assert conflicts(left) == []


def test_what_is_ours_is_no_conflict():
    ours = service("podinfo-canary")
    ours["metadata"]["annotations"] = {OWNER_ANNOTATION: "podinfo/uid-1"}
    assert conflicts(ours) == []


def test_a_network_policy_of_the_candidate_alone_is_a_conflict_that_filters():
    assert conflicts(policy(podSelector=BY_APP)) == [("NetworkPolicy/net", True)]


@pytest.mark.parametrize("selector", [{}, BY_TIER])
def test_a_network_policy_of_both_sides_is_no_conflict(selector):
    assert conflicts(policy(podSelector=selector)) == []


@pytest.mark.parametrize(("direction", "field"), [("ingress", "from"), ("egress", "to")])
def test_a_network_policy_that_lets_only_the_candidate_through_is_a_conflict(direction, field):
    assert conflicts(policy(**{direction: [{field: [{"podSelector": BY_APP}]}]})) == [("NetworkPolicy/net", True)]


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"from": [{"podSelector": BY_APP}, {"podSelector": BY_STABLE}]},
        {"from": [{"podSelector": {}}]},
        {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
    ],
)
def test_a_rule_that_lets_both_sides_through_is_no_conflict(rule):
    assert conflicts(policy(ingress=[rule])) == []


def test_addresses_beside_the_candidate_do_not_let_stable_through():
    rule = {"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}, {"podSelector": BY_APP}]}
    assert conflicts(policy(ingress=[rule])) == [("NetworkPolicy/net", True)]


def test_a_policy_elsewhere_means_our_pods_only_with_a_namespace_selector():
    peer = {"podSelector": BY_APP}
    assert conflicts(elsewhere(policy(ingress=[{"from": [peer]}]))) == []
    assert conflicts(elsewhere(policy(ingress=[{"from": [peer | {"namespaceSelector": {}}]}]))) != []


def test_a_policy_elsewhere_does_not_select_our_pods():
    assert conflicts(elsewhere(policy(podSelector=BY_APP))) == []


def test_a_budget_of_the_candidate_alone_is_listed():
    assert conflicts(budget()) == [("PodDisruptionBudget/podinfo", False)]


def test_a_pod_monitor_of_the_candidate_alone_is_listed():
    assert conflicts(obj("PodMonitor", "pods", {"selector": BY_APP})) == [("PodMonitor/pods", False)]


@pytest.mark.parametrize(
    ("selector", "seen"),
    [({}, False), ({"matchNames": ["shop"]}, True), ({"matchNames": ["other"]}, False), ({"any": True}, True)],
)
def test_a_monitor_elsewhere_counts_when_it_looks_at_our_namespace(selector, seen):
    monitor = obj("PodMonitor", "pods", {"selector": BY_APP, "namespaceSelector": selector})
    assert bool(conflicts(elsewhere(monitor))) is seen


def test_a_service_monitor_is_listed_when_its_services_reach_the_candidate_alone():
    watched = service("metrics", selector={"app": "podinfo"})
    watched["metadata"]["labels"] = {"scrape": "yes"}
    monitor = obj("ServiceMonitor", "web", {"selector": {"matchLabels": {"scrape": "yes"}}})
    assert ("ServiceMonitor/web", False) in conflicts(watched, monitor)


def test_a_service_monitor_with_one_service_of_both_sides_is_not_listed():
    both = service("both", selector={"tier": "web"})
    assert conflicts(both, obj("ServiceMonitor", "web", {"selector": {}})) == []


def test_a_service_without_selector_reaches_no_pods_for_a_service_monitor():
    watched = [service("one", selector={"app": "podinfo"}), service("two", selector=None)]
    assert ("ServiceMonitor/web", False) in conflicts(*watched, obj("ServiceMonitor", "web", {"selector": {}}))


def test_other_kinds_are_left_alone():
    assert conflicts(obj("Deployment", "podinfo", {"selector": BY_APP})) == []


ROUTING = SelectorConflict("Service", "internal", routes=True)
LISTED = SelectorConflict("PodMonitor", "pods", routes=False)


@pytest.mark.parametrize("value", ["Service/internal", " service/internal , NetworkPolicy/x", "x,Service/internal"])
def test_a_named_conflict_is_acknowledged(value):
    assert acknowledged(value, [ROUTING, LISTED])


@pytest.mark.parametrize("value", ["", "internal", "Service/internal-2", "NetworkPolicy/internal", "*"])
def test_what_is_not_named_stays_in_the_way(value):
    assert unacknowledged(value, [ROUTING, LISTED]) == (ROUTING,)


def test_monitors_need_no_acknowledgement():
    assert acknowledged("", [LISTED])
