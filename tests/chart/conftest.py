"""A real helm, and the chart rendered with each values file of its ci/ directory."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/canary"
NAMESPACE = "canary-system"


@dataclass(frozen=True)
class Rendered:
    """The documents that helm made of one values file."""

    values: str
    documents: list[dict[str, Any]] = field(repr=False)
    component: str = "controller"

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The documents of one kind that belong to the component."""
        return [each for each in self.documents if each["kind"] == kind and _component(each) == self.component]

    def only(self, kind: str) -> dict[str, Any]:
        (document,) = self.of(kind)
        return document

    def pod(self) -> dict[str, Any]:
        template: dict[str, Any] = self.only("Deployment")["spec"]["template"]
        return template

    def container(self) -> dict[str, Any]:
        (container,) = self.pod()["spec"]["containers"]
        assert isinstance(container, dict)
        return container


def _component(document: dict[str, Any]) -> str:
    return str(document["metadata"]["labels"]["app.kubernetes.io/component"])


@pytest.fixture(scope="session")
def tools() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tools", ROOT / ".ci/tools.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules["tools"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def helms(tools: ModuleType) -> dict[str, Path]:
    found: dict[str, Path] = tools.helms()
    return found


@pytest.fixture(scope="session", params=["v4.1.4", "v3.17.2"])
def helm(request: pytest.FixtureRequest, helms: dict[str, Path]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs helm with arguments; both majors."""
    binary = helms.get(request.param) or next(iter(helms.values()))

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(binary), *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.fixture(scope="session", params=sorted(path.name for path in (CHART / "ci").glob("*.yaml")))
def values(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def render(helm: Any) -> Callable[[str], Rendered]:
    made: dict[str, Rendered] = {}

    def build(values: str) -> Rendered:
        if values not in made:
            done = helm("template", "demo", str(CHART), "-n", NAMESPACE, "-f", str(CHART / "ci" / values))
            assert done.returncode == 0, done.stderr
            documents = [document for document in yaml.safe_load_all(done.stdout) if document]
            made[values] = Rendered(values, documents)
        return made[values]

    return build


@pytest.fixture
def rendered(render: Callable[[str], Rendered], values: str) -> Rendered:
    return render(values)
