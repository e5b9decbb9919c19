"""What the demo plays: four releases of one application, three rollouts, and how each must end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from canary.api.duration import format_duration
from canary.api.names import API_VERSION, KIND
from canary.core.phases import Phase
from canary.sandbox.app import App, Release

SUCCESS = "success-rate"
LATENCY = "latency"
SLOW = 0.4
"""The limit of the 99th percentile in seconds: far above what a healthy release needs, even on a busy machine, and
below what half of the slow release's answers take."""

_MEDIAN = 0.15
_SPREAD = 0.1
_STEPS = (25, 50, 100)


def _release(version: str, *, errors: float = 0.0, slower: float = 1.0) -> Release:
    return Release(version, errors=errors, latency=_MEDIAN * slower, spread=_SPREAD)


FIRST = _release("1")
"""What serves when the demo begins."""


class Entry(Protocol):
    """One line of the demo's agenda: what it is called, what it is, and how it must end."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str: ...

    @property
    def goal(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Scene:
    """One rollout. `because` names the metric that must end it; empty for one that must be promoted."""

    release: Release
    stable: Release
    about: str
    because: str = ""

    @property
    def name(self) -> str:
        return f"v{self.release.version}"

    @property
    def expected(self) -> Phase:
        return Phase.ROLLED_BACK if self.because else Phase.PROMOTED

    @property
    def goal(self) -> str:
        return "must be rolled back" if self.because else "must be promoted"


_GOOD = _release("2")
SCENES = (
    Scene(_GOOD, FIRST, "is a good release"),
    Scene(_release("3", errors=20.0), _GOOD, "fails 20% of its requests", because=SUCCESS),
    Scene(_release("4", slower=3.0), _GOOD, "is three times slower", because=LATENCY),
)


def canary_manifest(app: App, scene: Scene) -> dict[str, Any]:
    """The Canary of a rollout, as a user keeps it in Git; its times are short, since somebody is watching."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": app.name, "namespace": app.namespace},
        "spec": {
            "revision": scene.name,
            "backends": {"stable": app.backend(scene.stable.version), "canary": app.backend(scene.release.version)},
            "service": {"name": app.name},
            "traffic": {"settle": "1s"},
            "steps": [{"weight": weight, "hold": "3s"} for weight in _STEPS],
            "analysis": {
                "interval": "1s",
                "warmup": "1s",
                "failureLimit": 2,
                "metrics": [
                    {"name": SUCCESS, "min": "99", "rollbackAt": "90"},
                    {"name": LATENCY, "quantile": "p99", "max": format_duration(SLOW)},
                ],
            },
        },
    }
