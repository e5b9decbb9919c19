"""What the demo plays in managed mode: one Deployment, one Canary about it, and the whole life of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canary.api.duration import format_duration
from canary.api.names import API_VERSION, KIND
from canary.sandbox.app import App, Release
from canary.sandbox.demo.scenario import LATENCY, SCENES, SLOW, SUCCESS

APP = App(namespace="web")


@dataclass(frozen=True, slots=True)
class Act:
    """One act. `release` is what is pushed; its errors are the only ones that users may see, and only it makes any."""

    name: str
    about: str
    goal: str
    release: Release | None = None


_GOOD, _BAD = SCENES[0].release, SCENES[1].release
ONBOARDING = Act("canary", "is declared for a Deployment that serves", "must lose no request")
GOOD = Act("image v2", "is good", "must be promoted", _GOOD)
BAD = Act("image v3", "fails 20% of its requests", "must be rolled back", _BAD)
LEAVING = Act("canary", "is deleted", "must leave the Deployment serving v2")
ACTS = (ONBOARDING, GOOD, BAD, LEAVING)


def managed_canary(app: App) -> dict[str, Any]:
    """The Canary, as a user keeps it in Git; its times are short, since somebody is watching."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": app.name, "namespace": app.namespace},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app.name},
            # The root Service was applied from a manifest, which would put its selector back at the next apply.
            "service": {"name": app.name, "adopt": "Force"},
            "traffic": {"settle": "500ms"},
            "steps": [{"weight": 20, "hold": "1s"}, {"weight": 60, "hold": "1s"}],
            "analysis": {
                "interval": "1s",
                "warmup": "500ms",
                "failureLimit": 2,
                "metrics": [
                    {"name": SUCCESS, "min": "99", "rollbackAt": "90"},
                    {"name": LATENCY, "quantile": "p99", "max": format_duration(SLOW)},
                ],
            },
        },
    }
