"""The mesh of the data plane without its processes: addresses, routes, and the order in which Envoy is told."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.api.kinds import Service, TrafficSplit
from canary.sandbox.workloads.objects import PublishedSlice
from e2e.dataplane import envoy_config, mesh
from e2e.dataplane.addresses import (
    GENERATIONS,
    OURS,
    PORTS,
    address_of,
    admin_port,
    free_port,
    inner_port,
    port_of,
    ports_of,
)
from e2e.dataplane.admin import Admin
from e2e.dataplane.routes import Routes, Target, routes


def service(name: str, **spec: Any) -> Service:
    return msgspec.convert({"metadata": meta(name), "spec": {"ports": [{"port": 80}], **spec}}, Service)


def endpoints(of: str, *addresses: str, ready: bool | None = True) -> PublishedSlice:
    found = [{"addresses": [a], "conditions": {"ready": ready}, "targetRef": {"name": f"pod-{a}"}} for a in addresses]
    labels = {"kubernetes.io/service-name": of}
    return msgspec.convert({"metadata": meta(f"{of}-1", labels=labels), "endpoints": found}, PublishedSlice)


def split(of: str, born: str = "2026-01-01T00:00:00Z", /, **weights: int) -> TrafficSplit:
    backends = [{"service": name.replace("_", "-"), "weight": weight} for name, weight in weights.items()]
    made = {"metadata": meta(f"{of}-{born}", creationTimestamp=born), "spec": {"service": of, "backends": backends}}
    return msgspec.convert(made, TrafficSplit)


def meta(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "shop", **more}


# Addresses.


@given(st.sampled_from(PORTS), st.sampled_from(GENERATIONS))
def test_an_address_says_its_port(port: int, generation: int) -> None:
    assert port_of(address_of(port, generation)) == port


@pytest.mark.parametrize("address", ["10.0.78.33", "10.255.78.33", "192.168.78.33", "127.0.0.1"])
def test_an_address_that_no_process_has_says_no_port(address: str) -> None:
    assert port_of(address) is None


@given(st.sampled_from(PORTS), st.sampled_from(PORTS))
def test_no_two_pods_share_a_port_with_their_sidecars(one: int, other: int) -> None:
    ports = {port: {port, admin_port(port), inner_port(port)} for port in (one, other)}
    assert len(ports[one]) == 3
    assert one == other or not ports[one] & ports[other]
    assert max(ports[one]) < 32768  # the first port of ip_local_port_range, as Linux has it by default


def test_a_port_that_is_taken_is_passed_over() -> None:
    first = free_port(())
    assert free_port({first}) != first


def test_ports_are_given_in_a_circle() -> None:
    assert free_port((), after=OURS.stop - 1) < OURS.start + len(OURS) // 2


@given(st.integers(1, 64))
def test_no_two_test_processes_give_out_the_same_port(workers: int) -> None:
    given_out = [port for worker in range(workers) for port in ports_of(worker, workers)]
    assert len(set(given_out)) == len(given_out)
    assert set(given_out) <= set(PORTS)
    assert all(ports_of(worker, workers) for worker in range(workers))


# Routes.


def test_without_a_split_a_service_is_its_own_only_cluster() -> None:
    found = routes([service("web")], [endpoints("web", "10.1.78.33")], [])
    assert found.clusters == {"shop/web": (Target("pod-10.1.78.33", "10.1.78.33", 78 * 256 + 33),)}
    assert found.weights == {"shop/web": {"shop/web": 1}}


@given(st.integers(0, 100), st.integers(0, 1000))
def test_weights_are_those_of_the_split(new: int, old: int) -> None:
    found = routes([service("web")], [], [split("web", web_v2=new, web_v1=old)])
    assert found.weights["shop/web"] == {"shop/web-v2": new, "shop/web-v1": old}


def test_a_split_changes_its_own_service_alone() -> None:
    found = routes([service("web"), service("web-v1")], [], [split("web", web_v1=100)])
    assert found.weights["shop/web-v1"] == {"shop/web-v1": 1}


def test_a_split_of_no_service_is_nothing() -> None:
    assert routes([], [], [split("web", web_v1=100)]) == Routes({}, {})


def test_the_oldest_of_several_splits_counts() -> None:
    older, younger = split("web", "2026-01-01T00:00:00Z", a=1), split("web", "2026-01-02T00:00:00Z", b=1)
    for order in ([older, younger], [younger, older]):
        assert routes([service("web")], [], order).weights["shop/web"] == {"shop/a": 1}


@pytest.mark.parametrize(("ready", "reached"), [(True, 1), (None, 1), (False, 0)])
def test_endpoints_that_are_not_ready_get_nothing(ready: bool | None, reached: int) -> None:
    found = routes([service("web")], [endpoints("web", "10.1.78.33", ready=ready)], [])
    assert len(found.clusters["shop/web"]) == reached


def test_pods_that_nobody_runs_get_nothing() -> None:
    assert routes([service("web")], [endpoints("web", "10.0.0.7")], []).clusters["shop/web"] == ()


def test_endpoints_of_several_slices_are_one_cluster() -> None:
    pieces = [endpoints("web", "10.1.78.33"), endpoints("web", "10.1.78.34")]
    assert len(routes([service("web")], pieces, []).clusters["shop/web"]) == 2


def test_a_service_without_a_port_is_no_route() -> None:
    assert routes([service("web", ports=None)], [], []) == Routes({}, {})


# Envoy's configuration.


@given(st.dictionaries(st.sampled_from(["shop/a", "shop/b", "shop/c"]), st.integers(0, 200), min_size=1))
def test_weights_are_read_back_as_they_were_written(weights: dict[str, int]) -> None:
    (table,) = envoy_config.route_table(Routes({}, {"shop/web": weights}), 1)["resources"]
    assert envoy_config.weights_in(table) == {"shop/web": weights if any(weights.values()) else {}}


def test_nothing_listens_beyond_this_machine() -> None:
    made = envoy_config.bootstrap(Path("/etc/envoy"), 1, 2)
    listener = made["static_resources"]["listeners"][0]
    addresses = {part["address"]["socket_address"]["address"] for part in (made["admin"], listener)}
    assert addresses == {"127.0.0.1"}


class FollowingEnvoy(Admin):
    """Uses each file at once, and keeps every moment: the clusters there were, and those that routes led to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(0)
        self._directory = directory
        self.moments: list[tuple[frozenset[str], frozenset[str]]] = []

    def routes(self) -> tuple[str, dict[str, dict[str, int]]]:
        self._look()
        found = self._read(envoy_config.rds_file(self._directory))
        return found["version_info"], envoy_config.weights_in(found["resources"][0])

    def clusters(self) -> frozenset[str]:
        self._look()
        return self._known()

    def _known(self) -> frozenset[str]:
        """A cluster is of use when its endpoints can be read."""
        listed = [entry["name"] for entry in self._read(envoy_config.cds_file(self._directory))["resources"]]
        return frozenset(name for name in listed if envoy_config.eds_file(self._directory, name).exists())

    def _look(self) -> None:
        table = envoy_config.weights_in(self._read(envoy_config.rds_file(self._directory))["resources"][0])
        self.moments.append((self._known(), frozenset(name for weights in table.values() for name in weights)))

    def _read(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(path.read_text())
        return found


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sets(st.sampled_from(["a", "b", "c"])), min_size=1, max_size=6))
def test_no_route_ever_leads_to_a_cluster_that_is_not_there(services: list[set[str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        mesh.prepare(directory, 1, 2)
        envoy = FollowingEnvoy(directory)
        configuration = mesh.Configuration(directory, envoy)
        for names in services:
            asyncio.run(configuration.apply(routes([service(name) for name in sorted(names)], [], [])))
        envoy.clusters()
        assert all(used <= known for known, used in envoy.moments)
        assert envoy.moments[-1] == (frozenset(f"shop/{name}" for name in services[-1]),) * 2


def test_an_envoy_that_does_not_take_its_configuration_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh.prepare(tmp_path, 1, 2)
    monkeypatch.setattr(mesh, "TAKEN_IN", 0.01)
    envoy = FollowingEnvoy(tmp_path)
    monkeypatch.setattr(envoy, "routes", lambda: ("0", {}))
    with pytest.raises(mesh.MeshError, match="version 1 of the routes"):
        asyncio.run(mesh.Configuration(tmp_path, envoy).apply(routes([service("web")], [], [])))
