"""An application of two versions whose Pods are processes, with callers that reach it through a real proxy.

It stands on a `Shop`: the same names, Canary, controllers and judges.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from e2e.controller import ControllerProcess
from e2e.dataplane import behaviour, statistics
from e2e.dataplane.addresses import HOST, port_of
from e2e.dataplane.behaviour import Behaviour
from e2e.dataplane.feed import Feed
from e2e.dataplane.journal import Shift
from e2e.dataplane.pods import RUN, SIDECAR, STATISTICS
from e2e.dataplane.proxy import LoadProcess, Proxy
from e2e.dataplane.requests import Requests
from e2e.dataplane.routes import Weights, cluster_name
from e2e.dataplane.statistics import Shown
from e2e.dataplane.stats import Cluster
from e2e.prometheus import PrometheusServer
from e2e.shop import DEPLOYMENTS, NAME, NEW, OLD, SERVICES, SPLITS, Shop, deployment, service

PODS = "/api/v1/namespaces/{namespace}/pods"
SPLIT = {"apiVersion": "split.smi-spec.io/v1alpha4", "kind": "TrafficSplit", "metadata": {"name": NAME}}
WORKERS_FOLLOW = 0.1
"""Seconds after which what Envoy says it uses is surely what its workers do: its main thread tells them."""
CALLER = "checkout"
TARGET = {"kind": "Service", "stable": OLD, "canary": NEW}
"""Whose numbers Prometheus has: the callers' proxies measure, and they know Services."""
APPLICATION = "e2e.dataplane.server"
SETTLED_IN = 60.0
"""Seconds in which processes must start, answer their probes, and be known to the proxy."""


class NotSettled(AssertionError):
    """What was waited for did not come; the message says what."""


class Scene:
    """The application of `shop`, really running. `open` starts it, `close` ends what `open` and the test started.

    The Pods themselves end with their namespace, or with the plane.
    """

    def __init__(self, shop: Shop, envoy: Path, directory: Path) -> None:
        self._envoy = envoy
        self.shop = shop
        self.proxy = Proxy(shop.plane, envoy, shop.namespace, directory / "proxy")
        self._directory = directory
        workloads = {cluster_name(shop.namespace, name): name for name in (OLD, NEW)}
        self._feed = Feed(self.proxy.admin, shop.smi, shop.namespace, workloads)

    def open(self, *, replicas: int = 2, sidecars: bool = False) -> None:
        """Runs both versions and the root Service, and waits until callers reach every Pod of them.

        With `sidecars` each Pod has an Envoy of its own, for `source: Proxies`; that takes a network of its own.
        """
        for name in (OLD, NEW):
            self.behave(name, Behaviour())
            self.show_statistics(name, Shown.TRULY)
            self.shop.create(DEPLOYMENTS, self._deployment(name, replicas, sidecars))
            self.shop.create(SERVICES, service(name, {"app": name}))
        self.shop.create(SERVICES, service(NAME, {"app": OLD}))
        self.proxy.start()
        self.until(lambda: all(self.reachable(name) == replicas for name in (OLD, NEW)), "Pods behind the proxy")

    def close(self) -> None:
        self._feed.stop()
        self.proxy.stop()

    # What a test does.

    def behave(self, version: str, how: Behaviour) -> None:
        """From now on all Pods of the version behave like this, the present ones and those to come."""
        behaviour.write(self._behaviour_file(version), how)

    def show_statistics(self, version: str, how: Shown) -> None:
        """What all sidecars of the version say from now on of what they have counted."""
        statistics.write(self._statistics_file(version), how)

    def split(self, weight: int) -> None:
        """A TrafficSplit by hand, for tests without a controller: so much for the new version, seen at the proxy."""
        spec = {
            "service": NAME,
            "backends": [{"service": OLD, "weight": 100 - weight}, {"service": NEW, "weight": weight}],
        }
        if self.shop.get(SPLITS) is None:
            self.shop.create(SPLITS, {**SPLIT, "spec": spec})
        else:
            self.shop.patch(SPLITS, NAME, {"spec": spec})
        wanted = {OLD: 100 - weight, NEW: weight}
        self.until(lambda: self.canary_weights() == wanted, f"weight {weight} at the proxy")

    def prometheus(self, scrape: int = 1) -> PrometheusServer:
        """A Prometheus that scrapes the proxy each `scrape` seconds while its `with` block runs.

        The proxy counts as that of a Pod of the Deployment `CALLER` in this namespace.
        """
        labels = {"namespace": self.shop.namespace, "deployment": CALLER, "pod": f"{CALLER}-1"}
        target = {"targets": [f"{HOST}:{self.proxy.admin.port}"], "labels": labels}
        job = {"job_name": "envoy", "metrics_path": "/stats/prometheus", "static_configs": [target]}
        timing = {"scrape_interval": f"{scrape}s", "scrape_timeout": f"{scrape}s"}
        # JSON is YAML.
        return PrometheusServer(json.dumps({"global": timing, "scrape_configs": [job]}))

    def measure(self) -> None:
        """From now on the scripted SMI metrics server says what the proxy counts."""
        self._feed.start()

    def start(self, prometheus: PrometheusServer, scrape: int = 1) -> ControllerProcess:
        """Starts a controller that reads this Prometheus; its Canaries say `source: Prometheus` and name `TARGET`."""
        self.shop.smi_measures = False
        options = f"--prometheus-url={prometheus.url}", "--pack=envoy", f"--scrape-interval={scrape}s"
        return self.shop.start(options=options)

    def start_reading_proxies(self) -> ControllerProcess:
        """Starts a controller that reads the sidecars itself; its Canaries say `source: Proxies`."""
        self.shop.smi_measures = False
        return self.shop.start(options=("--proxies=envoy",))

    def load(self, rate: float, seconds: float, *, to: str = NAME, poisson: int | None = None) -> LoadProcess:
        """Starts callers of the root Service, or of another one."""
        return self.proxy.load(to, rate, seconds, poisson=poisson)

    def pids(self, version: str) -> dict[str, int]:
        """The processes of a version that are ready, by Pod; those that end at this moment are left out."""
        found = {}
        for pod, port in self._ports(version).items():
            with suppress(ConnectionError):
                # A sidecar passes this on, and counts it.
                found[pod] = int(_get_json(port, "/identity")["pid"])
        return found

    def kill(self, version: str, *, count: int | None = None) -> list[str]:
        """SIGKILL to the processes of a version, or to `count` of them; the names of their Pods."""
        chosen = sorted(self.pids(version).items())[:count]
        for _, pid in chosen:
            os.kill(pid, signal.SIGKILL)
        return [pod for pod, _ in chosen]

    # How things stand.

    def reachable(self, name: str) -> int:
        """Pods that the proxy knows of a Service."""
        return len(self.stats(name).endpoints)

    def stats(self, name: str) -> Cluster:
        """What the proxy has counted for a Service or a version."""
        return self.proxy.admin.stats().get(cluster_name(self.shop.namespace, name), Cluster())

    def pods(self, version: str) -> list[dict[str, Any]]:
        path = f"{PODS.format(namespace=self.shop.namespace)}?labelSelector=app%3D{version}"
        found: list[dict[str, Any]] = self.shop.plane.api.json("GET", path)["items"]
        return found

    def _ports(self, version: str) -> dict[str, int]:
        """Where the Pods of a version that are ready are reached, by Pod."""
        found = {}
        for pod in self.pods(version):
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])
            port = port_of(pod["status"]["podIP"]) if ready else None
            if port is not None:
                found[pod["metadata"]["name"]] = port
        return found

    def restarts(self, version: str) -> int:
        """How often processes of the version were started again."""
        return sum(pod["status"]["containerStatuses"][0]["restartCount"] for pod in self.pods(version))

    def until(self, reached: Callable[[], Any], what: str, timeout: float = SETTLED_IN) -> float:
        """Waits until `reached`; the seconds it took. Raises `NotSettled`."""
        began = time.monotonic()
        while not reached():
            if time.monotonic() - began > timeout:
                raise NotSettled(f"no {what} after {timeout:g} s; the mesh:\n{self.proxy.mesh.tail()}")
            time.sleep(0.05)
        return time.monotonic() - began

    def seconds_to_nothing(self, requests: Requests) -> float:
        """From the first bad answer that a caller had to weight 0 of the new version at the proxy.

        Raises `AssertionError` when there was none of the one, or of the other after it.
        """
        first = requests.first_bad()
        assert first is not None, "no bad answer"
        ends = [s.used_at for s in self.canary_shifts() if s.used_at and s.seen and not self.canary_share(s.seen)]
        after = [end for end in ends if end > first]
        assert after, f"the proxy has never gone to weight 0 after the first bad answer:\n{self.weight_table()}"
        return after[0] - first

    def weight_table(self) -> str:
        """Each weight of the canary: asked for in the split, seen at the proxy, and after how long; for people."""
        lines = [f"{'weight asked':>12}{'weight seen':>13}{'at s':>9}{'seen after ms':>15}"]
        shifts = self.proxy.shifts(NAME)
        for shift in shifts:
            asked, seen = self.canary_share(shift.asked), "-" if shift.seen is None else self.canary_share(shift.seen)
            at = shift.written_at - shifts[0].written_at
            late = "-" if shift.used_at is None else f"{(shift.used_at - shift.written_at) * 1000:.0f}"
            lines.append(f"{asked:>12}{seen:>13}{at:>9.2f}{late:>15}")
        return "\n".join(lines)

    def canary_weights(self) -> Weights:
        """The weights of both versions that the proxy uses now, by version; empty without a split."""
        names = {cluster_name(self.shop.namespace, name): name for name in (OLD, NEW)}
        return {names[name]: weight for name, weight in self.proxy.weights(NAME).items() if name in names}

    def canary_share(self, weights: Weights) -> int:
        """The weight of the new version among these."""
        return weights.get(cluster_name(self.shop.namespace, NEW), 0)

    def canary_shifts(self) -> list[Shift]:
        """The changes of the root's weights, the first of them from before there was a split."""
        return self.proxy.shifts(NAME)

    def _behaviour_file(self, version: str) -> Path:
        return self._directory / f"{version}.json"

    def _statistics_file(self, version: str) -> Path:
        return self._directory / f"{version}.statistics.json"

    def _deployment(self, name: str, replicas: int, sidecars: bool) -> dict[str, Any]:
        beside = {SIDECAR: str(self._envoy), STATISTICS: str(self._statistics_file(name))} if sidecars else {}
        made = deployment(name, **{RUN: APPLICATION}, **beside)
        made["spec"]["replicas"] = replicas
        container = made["spec"]["template"]["spec"]["containers"][0]
        container["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 80}}
        given = {"VERSION": name, "BEHAVIOUR": str(self._behaviour_file(name))}
        container["env"] = [{"name": key, "value": value} for key, value in given.items()]
        return made


def _get_json(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection(HOST, port, timeout=5.0)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
