"""One rollout under real requests, judged by a real Prometheus, with its numbers for people at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from e2e.controller import ControllerProcess
from e2e.dataplane.proxy import LoadProcess
from e2e.dataplane.requests import Requests
from e2e.dataplane.scene import TARGET, Scene
from e2e.prometheus import PrometheusServer
from e2e.shop import NEW

RATE = 100.0
"""Requests per second."""
LIMIT = 240.0
"""Seconds after which the load ends by itself."""
WINDOW: dict[str, Any] = {"interval": "4s", "warmup": "0s", "source": "Prometheus", "target": TARGET}
"""Windows of four scrapes, the shortest that there may be."""
SUCCESS = [{"name": "success-rate", "min": "99"}]


@dataclass(slots=True)
class Trial:
    """What a test has in its hands while the rollout runs."""

    scene: Scene
    prometheus: PrometheusServer
    controller: ControllerProcess
    load: LoadProcess | None

    def weight_seen(self, weight: int, timeout: float = 90.0) -> None:
        """Waits until the proxy uses this weight for the new version."""
        self.scene.until(lambda: self.scene.canary_weights().get(NEW, 0) == weight, f"weight {weight}", timeout)

    def more_requests(self, count: int = 100) -> None:
        """Waits until so many more requests have had their outcome."""
        assert self.load is not None
        mark, load = self.load.answered, self.load
        self.scene.until(lambda: load.answered >= mark + count, "requests")

    def end(self, phase: str, timeout: float = 120.0) -> Requests:
        """Waits for the phase in the status, ends the load, and prints the numbers; every request of the load."""
        self.scene.shop.until_told(phase, timeout=timeout)
        requests = self.load.stop() if self.load is not None else Requests(())
        print(f"\n{self.scene.weight_table()}\n{requests.table()}")
        return requests


@contextmanager
def trial(scene: Scene, *, seed: int = 1, requests: bool = True, **spec: Any) -> Iterator[Trial]:
    """Starts Prometheus, callers and a controller on an open scene, and creates the Canary; `spec` is the rest of it.

    `analysis` in it is laid over `WINDOW`.
    """
    analysis = {**WINDOW, "metrics": SUCCESS, **spec.pop("analysis", {})}
    with scene.prometheus() as prometheus:
        load = scene.load(rate=RATE, seconds=LIMIT, poisson=seed) if requests else None
        if load is not None:
            scene.until(lambda: load.answered > 0, "first request")
        controller = scene.start(prometheus)
        scene.shop.roll_out(**spec, analysis=analysis)
        yield Trial(scene, prometheus, controller, load)


def at(weight: int, hold: str = "2m") -> dict[str, Any]:
    """A plan that stays at one weight until somebody does something."""
    return {"steps": [{"weight": weight, "hold": hold}, {"weight": 100, "hold": "1s"}]}
