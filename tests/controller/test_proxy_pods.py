"""Whose proxies are read for a workload: those of the ready pods behind the Services of some Canary."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from canary.api.kinds import Endpoint, EndpointConditions, EndpointSlice, ObjectReference, Pod, Service, ServiceSpec
from canary.api.meta import ObjectMeta, OwnerReference
from canary.controller.managed.manifests import Manifests
from canary.controller.pods import PodIndex
from canary.controller.world import SERVICE_NAME_LABEL, World
from canary.kube.clock import SystemClock
from canary.metrics.proxies.source import ProxyPod

NAMESPACE = "shop"
HASH = "5d59d67564"
READY = EndpointConditions(ready=True)
OWNERS = {
    "Deployment": OwnerReference(kind="ReplicaSet", name=f"web-{HASH}", controller=True),
    "StatefulSet": OwnerReference(kind="StatefulSet", name="web", controller=True),
    "DaemonSet": OwnerReference(kind="DaemonSet", name="web", controller=True),
}


def endpoint(pod: str, address: str, *, conditions: EndpointConditions = READY, kind: str = "Pod") -> Endpoint:
    return Endpoint((address,), conditions, ObjectReference(kind, pod, NAMESPACE, f"uid-of-{pod}"))


def read(pod: str, address: str) -> ProxyPod:
    return ProxyPod(pod, address, f"uid-of-{pod}")


@dataclass
class Cluster:
    """A world for which Canaries have been found, and nothing else yet."""

    world: World
    listed: list[Pod]

    async def service(self, name: str, *slices: tuple[Endpoint, ...], owner: OwnerReference | None = None) -> None:
        """A Service with these slices; all pods behind it are of `owner`, and have been looked at."""
        source = self.world.slices.source()
        for number, endpoints in enumerate(slices):
            meta = ObjectMeta(f"{name}-{number}", NAMESPACE, f"uid-of-{name}-{number}", "1")
            labels = {SERVICE_NAME_LABEL: name}
            source.put(EndpointSlice(_with(meta, labels), endpoints))
        self.listed[:] = [_pod(e.target_ref.name, owner) for endpoints in slices for e in endpoints if e.target_ref]
        await self.world.pods.refresh(Service(ObjectMeta(name, NAMESPACE), ServiceSpec({"app": name})))

    def canary(self, name: str, *services: str) -> None:
        self.world.interests.set((NAMESPACE, name), services)

    def proxies(self, kind: str, *names: str) -> dict[str, tuple[ProxyPod, ...]]:
        return self.world.proxies(NAMESPACE, kind, frozenset(names))


def _with(meta: ObjectMeta, labels: dict[str, str]) -> ObjectMeta:
    return ObjectMeta(meta.name, meta.namespace, meta.uid, meta.resource_version, labels=labels)


def _pod(name: str, owner: OwnerReference | None) -> Pod:
    references = (owner,) if owner else ()
    labels = {"pod-template-hash": HASH}
    return Pod(ObjectMeta(name, NAMESPACE, f"uid-of-{name}", labels=labels, owner_references=references))


@pytest.fixture
def cluster() -> Cluster:
    listed: list[Pod] = []

    class Client:
        async def list(self, *_args, **_options):
            return SimpleNamespace(items=tuple(listed))

    cluster = Cluster(
        World(
            PodIndex(Client()),
            lambda *_: True,
            lambda *_: True,
            lambda *_: True,
            Manifests(SystemClock()),
            lambda *_: True,
        ),
        listed,
    )
    cluster.canary("web", "web-v1", "web-v2")
    return cluster


@pytest.mark.parametrize("kind", OWNERS)
async def test_a_workload_has_the_pods_that_it_controls(cluster, kind):
    await cluster.service("web-v1", (endpoint("a", "10.0.0.1"), endpoint("b", "10.0.0.2")), owner=OWNERS[kind])

    assert cluster.proxies(kind, "web") == {"web": (read("a", "10.0.0.1"), read("b", "10.0.0.2"))}


async def test_a_workload_of_another_kind_with_the_same_name_is_not_read(cluster):
    await cluster.service("web-v1", (endpoint("a", "10.0.0.1"),), owner=OWNERS["StatefulSet"])

    assert cluster.proxies("Deployment", "web") == {"web": ()}


async def test_kinds_may_be_spelt_as_a_source_spells_them(cluster):
    await cluster.service("web-v1", (endpoint("a", "10.0.0.1"),), owner=OWNERS["DaemonSet"])

    assert cluster.proxies("daemonset", "web") == {"web": (read("a", "10.0.0.1"),)}


async def test_a_pod_is_read_by_its_own_name(cluster):
    await cluster.service("web-v1", (endpoint("a", "10.0.0.1"), endpoint("b", "10.0.0.2")))

    assert cluster.proxies("Pod", "b") == {"b": (read("b", "10.0.0.2"),)}


async def test_a_service_has_all_pods_behind_it_whoever_controls_them(cluster):
    await cluster.service("web-v1", (endpoint("a", "10.0.0.1"),), owner=OWNERS["Deployment"])
    await cluster.service("web-v2", (endpoint("b", "10.0.0.2"), endpoint("c", "10.0.0.3")))

    assert cluster.proxies("Service", "web-v1", "web-v2") == {
        "web-v1": (read("a", "10.0.0.1"),),
        "web-v2": (read("b", "10.0.0.2"), read("c", "10.0.0.3")),
    }


@pytest.mark.parametrize(
    "conditions",
    [EndpointConditions(ready=False), EndpointConditions(ready=True, terminating=True)],
    ids=["unready", "terminating"],
)
async def test_a_pod_that_gets_no_traffic_is_not_read(cluster, conditions):
    going = endpoint("a", "10.0.0.1", conditions=conditions)
    await cluster.service("web-v1", (going, endpoint("b", "10.0.0.2")), owner=OWNERS["Deployment"])

    assert cluster.proxies("Deployment", "web") == {"web": (read("b", "10.0.0.2"),)}


async def test_a_pod_that_does_not_say_whether_it_is_ready_is(cluster):
    await cluster.service("web-v1", (endpoint("a", "10.0.0.1", conditions=EndpointConditions()),))

    assert cluster.proxies("Service", "web-v1") == {"web-v1": (read("a", "10.0.0.1"),)}


async def test_a_pod_in_two_slices_is_read_once(cluster):
    both = endpoint("a", "10.0.0.1")
    await cluster.service("web-v1", (both,), (both, endpoint("b", "10.0.0.2")), owner=OWNERS["Deployment"])

    assert cluster.proxies("Deployment", "web") == {"web": (read("a", "10.0.0.1"), read("b", "10.0.0.2"))}


@pytest.mark.parametrize("addresses", [("10.0.0.1", "fd00::1"), ("fd00::1", "10.0.0.1")], ids=["IPv4", "IPv6"])
async def test_a_pod_of_both_families_is_read_once_and_always_at_the_same_address(cluster, addresses):
    """Each family has slices of its own, in no order."""
    await cluster.service("web-v1", *((endpoint("a", address),) for address in addresses))

    assert cluster.proxies("Service", "web-v1") == {"web-v1": (read("a", "10.0.0.1"),)}


async def test_a_pod_behind_two_services_is_read_once(cluster):
    await cluster.service("web-v1", (endpoint("a", "10.0.0.1"),), owner=OWNERS["Deployment"])
    await cluster.service("web-v2", (endpoint("a", "10.0.0.1"),), owner=OWNERS["Deployment"])

    assert cluster.proxies("Deployment", "web") == {"web": (read("a", "10.0.0.1"),)}


async def test_pods_behind_the_services_of_another_canary_of_the_namespace_are_read(cluster):
    """Canaries of one namespace, kind and interval are asked for together."""
    cluster.canary("cart", "cart-v1")
    await cluster.service("cart-v1", (endpoint("c", "10.0.0.3"),), owner=OWNERS["Deployment"])

    assert cluster.proxies("Deployment", "web") == {"web": (read("c", "10.0.0.3"),)}


async def test_pods_behind_services_of_no_canary_are_not_read(cluster):
    await cluster.service("cart-v1", (endpoint("c", "10.0.0.3"),), owner=OWNERS["Deployment"])

    assert cluster.proxies("Deployment", "web") == {"web": ()}


async def test_pods_of_another_namespace_are_not_read(cluster):
    await cluster.service("web-v1", (endpoint("a", "10.0.0.1"),))

    assert cluster.world.proxies("elsewhere", "Service", frozenset({"web-v1"})) == {"web-v1": ()}


async def test_what_is_no_pod_is_not_read(cluster):
    other = endpoint("a", "10.0.0.1", kind="Node")
    await cluster.service("web-v1", (other, Endpoint(("10.0.0.2",), READY)))

    assert cluster.proxies("Service", "web-v1") == {"web-v1": ()}


async def test_a_pod_that_has_not_been_looked_at_belongs_to_no_workload_yet(cluster):
    await cluster.service("web-v1", (endpoint("a", "10.0.0.1"),), owner=OWNERS["Deployment"])
    source = cluster.world.slices.source()
    meta = _with(ObjectMeta("web-v1-new", NAMESPACE, "uid-of-new", "1"), {SERVICE_NAME_LABEL: "web-v1"})
    source.put(EndpointSlice(meta, (endpoint("b", "10.0.0.2"),)))

    assert cluster.proxies("Deployment", "web") == {"web": (read("a", "10.0.0.1"),)}
