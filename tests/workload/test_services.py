"""The Services of managed mode."""

from __future__ import annotations

import copy
import json

import pytest

from canary.api.names import CANARY_LABEL, ORIGINAL_SELECTOR_ANNOTATION
from canary.workload.services import (
    UnknownPorts,
    backend_services,
    managed_elsewhere,
    original_selector,
    pointed_root,
    root_service,
    service_ports,
    side_selectors,
)
from tests.workload.objects import LABEL, LABELS, MARK, STABLE_LABELS, service, target, template

HTTP = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
GRPC = {"name": "grpc", "port": 9000, "targetPort": 9999, "appProtocol": "grpc"}
BARE = target(template={"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "web", "image": "x"}]}})


def backends(root=None, ports=(), owner=None, mark=MARK):
    return backend_services(root, ports, owner or target(), label=LABEL, name="podinfo", mark=mark)


def with_ports(*ports):
    spec = {"containers": [{"name": "web", "ports": list(ports)}]}
    return target(template={"metadata": {"labels": LABELS}, "spec": spec})


def applied(manager, operation="Apply", fields=None):
    held = {"f:spec": {"f:selector": {}}} if fields is None else fields
    root = service()
    root["metadata"]["managedFields"] = [
        {"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": held, "time": "2026"}
    ]
    return root


def test_the_backends_are_named_after_the_root():
    assert [one["metadata"]["name"] for one in backends(service())] == ["podinfo-stable", "podinfo-canary"]


def test_each_backend_selects_its_own_side():
    stable, canary = (one["spec"]["selector"] for one in backends(service()))
    assert stable.items() <= STABLE_LABELS.items()
    assert canary.items() <= LABELS.items()
    assert not stable.items() <= LABELS.items()
    assert not canary.items() <= STABLE_LABELS.items()


def test_every_label_of_the_targets_selector_is_selected_by():
    owner = target(selector={"matchLabels": LABELS})
    assert side_selectors(owner, LABEL) == (STABLE_LABELS, LABELS)


def test_the_backends_share_nothing():
    stable, canary = backends(service(ipFamilies=["IPv4"]))
    before = copy.deepcopy(canary)
    stable["spec"]["ports"][0]["name"] = "changed"
    stable["spec"]["ipFamilies"].clear()
    stable["metadata"]["labels"].clear()
    assert canary == before


def test_endpoint_slices_inherit_a_label_to_watch_by():
    assert {one["metadata"]["labels"][CANARY_LABEL] for one in backends(service())} == {"podinfo"}


def test_ports_are_copied_from_the_root_without_what_is_its_own():
    assert all(one["spec"]["ports"] == [HTTP] for one in backends(service()))
    assert all("clusterIP" not in one["spec"] for one in backends(service()))


def test_address_families_follow_the_root():
    root = service(ipFamilyPolicy="SingleStack", ipFamilies=["IPv6"])
    assert all(one["spec"]["ipFamilies"] == ["IPv6"] for one in backends(root))


def test_declared_ports_come_first_and_every_other_port_of_the_root_follows():
    root = service(ports=[HTTP, {"name": "grpc", "port": 9000}])
    assert service_ports(root, [GRPC], target()) == [GRPC, HTTP]


def test_the_same_number_in_another_protocol_is_another_port():
    dns = [{"name": "dns", "port": 53}, {"name": "dns-udp", "port": 53, "protocol": "UDP"}]
    assert service_ports(service(ports=dns), (), target()) == dns


def test_one_port_may_go_without_a_name():
    assert service_ports(None, [{"port": 80}], target()) == [{"port": 80}]


def test_several_ports_all_get_names():
    found = service_ports(service(ports=[{"port": 443}]), [{"port": 80}], target())
    assert [port["name"] for port in found] == ["tcp-80", "tcp-443"]


def test_a_name_that_is_taken_is_made_anew():
    found = service_ports(service(ports=[HTTP]), [{"name": "http", "port": 8080}], target())
    assert [port["name"] for port in found] == ["http", "tcp-80"]


def test_no_name_is_there_twice():
    found = service_ports(None, [{"name": "tcp-443", "port": 80}, {"port": 443}], target())
    assert len({port["name"] for port in found}) == 2


def test_container_ports_are_the_last_resort():
    owner = with_ports({"name": "http", "containerPort": 9898}, {"containerPort": 9797, "protocol": "TCP"})
    assert service_ports(None, (), owner) == [
        {"name": "http", "port": 9898, "targetPort": "http"},
        {"name": "tcp-9797", "protocol": "TCP", "port": 9797, "targetPort": 9797},
    ]


def test_container_ports_do_not_join_declared_ones():
    assert service_ports(None, [GRPC], target()) == [GRPC]


def test_a_root_that_has_ports_needs_none_of_the_containers():
    assert service_ports(service(), (), target()) == [HTTP]


def test_without_any_port_the_field_to_fill_is_named():
    with pytest.raises(UnknownPorts, match=r"spec\.service\.ports"):
        root_service("podinfo", (), BARE, label=LABEL, mark=MARK)


def test_a_new_root_selects_stable():
    root = root_service("podinfo", [GRPC], target(), label=LABEL, mark=MARK)
    assert root["metadata"]["name"] == "podinfo"
    assert root["spec"] == {"type": "ClusterIP", "selector": {"app": "podinfo-stable"}, "ports": [GRPC]}


def test_a_new_root_of_ours_is_not_managed_elsewhere():
    assert managed_elsewhere(root_service("podinfo", [GRPC], target(), label=LABEL, mark=MARK)) == ""


def test_a_pointed_root_keeps_everything_else():
    root = service()
    root["metadata"] |= {"resourceVersion": "7", "uid": "u", "annotations": {"note": "x"}}
    root["status"] = {"loadBalancer": {}}
    found = pointed_root(root, {"app": "podinfo-stable"})
    kept = found["metadata"]["annotations"].pop(ORIGINAL_SELECTOR_ANNOTATION)
    assert json.loads(kept) == {"app": "podinfo"}
    found["spec"]["selector"] = {"app": "podinfo"}
    assert found == root


def test_the_first_selector_is_kept_whatever_comes_later():
    once = pointed_root(service(selector={"app": "first"}), {"app": "podinfo-stable"})
    again = pointed_root(once, {"app": "podinfo"})
    assert original_selector(again) == {"app": "first"}
    assert again["spec"]["selector"] == {"app": "podinfo"}


def test_a_root_that_selects_so_already_is_left_as_it_is():
    root = service(selector={"app": "podinfo-stable"})
    assert pointed_root(root, {"app": "podinfo-stable"}) == root


def test_a_root_that_selected_nothing_is_remembered_as_such():
    assert original_selector(pointed_root(service(selector=None), {"app": "x"})) == {}


@pytest.mark.parametrize("value", [None, "", "null", "[]", "{", '{"a": 1}'])
def test_an_original_selector_that_nobody_can_read_is_none(value):
    root = service()
    root["metadata"]["annotations"] = {} if value is None else {ORIGINAL_SELECTOR_ANNOTATION: value}
    assert original_selector(root) is None


@pytest.mark.parametrize(
    ("root", "who"),
    [
        (applied("kustomize-controller"), "field manager kustomize-controller, by server-side apply"),
        (applied("helm", fields={"f:spec": {"f:selector": {"f:app": {}}}}), "field manager helm, by server-side apply"),
        (applied("kubectl-client-side-apply", "Update"), ""),
        (applied("canary-controller"), ""),
        (applied("argocd", fields={"f:metadata": {}}), ""),
        (service(), ""),
    ],
)
def test_another_apply_manager_of_the_selector_manages_the_root(root, who):
    assert managed_elsewhere(root) == who


def test_tracking_marks_manage_the_root():
    root = service()
    root["metadata"]["annotations"] = {"meta.helm.sh/release-name": "shop"}
    assert managed_elsewhere(root) == "Helm (meta.helm.sh/release-name: shop)"


def test_inputs_stay_as_they_are():
    root, owner, ports = service(ipFamilies=["IPv4"]), target(), [dict(GRPC)]
    before = copy.deepcopy((root, owner, ports))
    for one in (*backends(root, ports, owner), pointed_root(root, {"a": "b"})):
        one["spec"]["ports"][0]["name"] = "changed"
        one["spec"]["selector"]["changed"] = "yes"
        one["spec"]["ipFamilies"].clear()
    assert (root, owner, ports) == before


def test_the_template_of_the_builders_has_a_port():
    assert template()["spec"]["containers"][0]["ports"]
