"""The same application with Pods that are processes, and callers that reach them through a real proxy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.dataplane.behaviour import Behaviour
from e2e.dataplane.feed import Feed
from e2e.dataplane.pods import RUN
from e2e.dataplane.proxy import LoadProcess
from e2e.dataplane.requests import Requests
from e2e.dataplane.routes import Weights, cluster_name
from e2e.dataplane.scene import APPLICATION, WORKERS_FOLLOW, Scene
from e2e.managed import manifests
from e2e.managed.manifests import CANARY, JSON, STABLE
from e2e.managed.shop import ManagedShop
from e2e.shop import NAME, SERVICES

RATE = 80.0
"""Requests per second."""
LIMIT = 120.0
VERSIONS = ("1", "2", "3")


class ManagedScene(Scene):
    """`web` really running. Versions are tags of the image; what a version does is in its file of behaviour."""

    shop: ManagedShop

    def __init__(self, shop: ManagedShop, envoy: Path, directory: Path) -> None:
        super().__init__(shop, envoy, directory)
        shop.settle = "1s"
        workloads = {cluster_name(shop.namespace, CANARY): NAME, cluster_name(shop.namespace, STABLE): STABLE}
        self._feed = Feed(self.proxy.admin, shop.smi, shop.namespace, workloads)

    def open_managed(
        self,
        *,
        root: bool = True,
        deploy: bool = True,
        replicas: int | None = 2,
        others: tuple[JSON, ...] = (),
    ) -> None:
        """Runs version 1, and waits until callers of the root reach every Pod of it.

        Without a root there is nothing to be called yet: see `open_proxy`. Without `deploy` the test does it.
        """
        for version in VERSIONS:
            if not self._behaviour_file(version).exists():
                self.behave(version, Behaviour())
        if not deploy:
            return
        for obj in (*others, self.target(replicas=replicas)):
            self.shop.apply(obj)
        if root:
            self.shop.create(SERVICES, manifests.root())
        self.shop.until(lambda: self.shop.pods_ready(NAME) > 0, "ready Pods")
        if root:
            self.open_proxy(1 if replicas is None else replicas)

    def open_proxy(self, reached: int) -> None:
        """Starts the callers' proxy, and waits until it knows so many Pods of the root."""
        self.proxy.start()
        self.until(lambda: self.reachable(NAME) >= reached, "Pods behind the proxy")

    def target(self, version: str = "1", *, replicas: int | None = None, config: bool = False) -> JSON:
        """The user's manifest."""
        made = manifests.target(version, replicas=replicas, config=config, **{RUN: APPLICATION})
        container = made["spec"]["template"]["spec"]["containers"][0]
        container["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 80}, "periodSeconds": 1}
        given = {"VERSION": version, "BEHAVIOUR": str(self._behaviour_file(version))}
        container["env"] = [{"name": key, "value": value} for key, value in given.items()]
        return made

    def push(self, version: str, *, replicas: int | None = None, config: bool = False) -> None:
        """The user's next image."""
        self.shop.apply(self.target(version, replicas=replicas, config=config))

    @contextmanager
    def calling(self, seed: int = 1) -> Iterator[LoadProcess]:
        """Callers of the root while the block runs."""
        load = self.load(rate=RATE, seconds=LIMIT, poisson=seed)
        self.until(lambda: load.answered > 0, "first request")
        yield load

    def more_requests(self, load: LoadProcess, count: int = 100) -> None:
        """Waits until so many more requests have had their outcome."""
        mark = load.answered
        self.until(lambda: load.answered >= mark + count, "more requests")

    def no_request_failed(self, load: LoadProcess, *, seen: int = 100) -> Requests:
        """Ends the load after some more requests; every one of them was answered, and well."""
        self.more_requests(load, seen)
        requests = load.stop()
        print(f"\n{self.weight_table()}\n{requests.table()}")
        assert not len(requests.bad()), f"{len(requests.bad())} of {len(requests)} failed:\n{requests.table()}"
        return requests

    def exposed(self) -> list[tuple[float, float]]:
        """From when to when the proxy may have sent requests to the canary, by the monotonic clock."""
        found, since = [], None
        for shift in self.canary_shifts():
            asked, used = self.canary_share(shift.asked), shift.used_at
            if asked and since is None:
                since = shift.written_at
            elif not asked and since is not None and used is not None:
                found.append((since, used + WORKERS_FOLLOW))
                since = None
        return found if since is None else [*found, (since, float("inf"))]

    def canary_weights(self) -> Weights:
        names = {cluster_name(self.shop.namespace, name): name for name in (STABLE, CANARY)}
        return {names[name]: weight for name, weight in self.proxy.weights(NAME).items() if name in names}

    def canary_share(self, weights: Weights) -> int:
        return weights.get(cluster_name(self.shop.namespace, CANARY), 0)
