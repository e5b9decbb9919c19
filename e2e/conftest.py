"""One control plane for all tests of a run, a fresh namespace for each."""

from __future__ import annotations

import importlib.util
import random
import re
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pytest

from canary.kube.client import Client
from canary.kube.clock import SystemClock
from canary.kube.http import HttpTransport
from e2e import smi_wire
from e2e.commits import CommitLog
from e2e.dataplane.scene import Scene
from e2e.managed.scene import ManagedScene
from e2e.managed.shop import ManagedShop
from e2e.plane import Plane, User, build_controlplane
from e2e.plane.aggregation import host_name
from e2e.plane.api import RequestFailed
from e2e.shop import Shop
from e2e.smi_endpoint import SmiEndpoint

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
TEST_TIMEOUT = 300
USER_AGENT = "canary-e2e"
# asyncio drops a server's accepted socket without closing it when its peer goes away during the TLS handshake, as a
# stopped API server does to the SMI endpoint. Transports and sessions that are left open still fail a test.
DROPPED = "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
# The same a moment later, when the transport was made already: only where the API server is stopped.
DROPPED_LATER = "ignore:Exception ignored in. <function _SelectorTransport:pytest.PytestUnraisableExceptionWarning"


Stage = tuple[Plane, CommitLog, SmiEndpoint, Path, str]
FAILED = pytest.StashKey[bool]()
CONTROLLERS = pytest.StashKey[Shop]()
SCENE = pytest.StashKey[Scene]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what its controllers have logged."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
        shop = item.stash.get(CONTROLLERS, None)
        for controller in shop.controllers if shop is not None else ():
            report.sections.append((f"controller {controller.name}", controller.tail()))
        if SCENE in item.stash:
            proxy = item.stash[SCENE].proxy
            report.sections += [("envoy", proxy.envoy.tail()), ("mesh", proxy.mesh.tail())]
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.path.is_relative_to(HERE):
            continue
        item.add_marker(pytest.mark.filterwarnings(DROPPED))
        if "restart" in item.name:
            item.add_marker(pytest.mark.filterwarnings(DROPPED_LATER))
        # Of a test's body only: the fixtures build a control plane, and bound that by themselves.
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT, func_only=True))


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A running control plane that knows TrafficSplits."""
    plane = Plane(build_controlplane(), tmp_path_factory.mktemp("plane"))
    try:
        plane.start()
        plane.apply_crd(HERE / "manifests" / "trafficsplits.yaml")
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def canaries(plane: Plane) -> Plane:
    """The plane, with the shipped definition of Canaries."""
    plane.apply_crd(REPOSITORY / "crds" / "canaries.yaml")
    return plane


@pytest.fixture(scope="session")
def smi_server(plane: Plane) -> Iterator[SmiEndpoint]:
    """The scripted SMI metrics server, registered as `metrics.smi-spec.io/v1alpha1`."""
    certificate = plane.issue("smi-metrics", f"DNS:{host_name(smi_wire.GROUP)}", "DNS:localhost")
    server = SmiEndpoint(certificate, plane.front_proxy_ca)
    server.start()
    try:
        plane.aggregate(smi_wire.GROUP, smi_wire.VERSION, server.port, plane.ca)
        yield server
    finally:
        server.stop()


@pytest.fixture
def namespace(plane: Plane, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a fresh namespace; it is deleted afterwards, which nobody waits for."""
    stem = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40].strip("-")
    created = plane.api.json("POST", "/api/v1/namespaces", {"metadata": {"generateName": f"{stem}-"}})
    name: str = created["metadata"]["name"]
    yield name
    with suppress(RequestFailed):  # a test may have deleted it
        plane.api.json("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def smi(smi_server: SmiEndpoint, namespace: str) -> Iterator[SmiEndpoint]:
    """The SMI metrics server, with nothing set for this test's namespace."""
    yield smi_server
    smi_server.forget(namespace)


@pytest.fixture(scope="session")
def commits(plane: Plane) -> Iterator[CommitLog]:
    """Everything that is stored, in order."""
    log = CommitLog(plane.etcd_port)
    log.start()
    yield log
    log.stop()


def _tools() -> ModuleType:
    """`.ci/tools.py`, which is no package."""
    spec = importlib.util.spec_from_file_location("tools", REPOSITORY / ".ci" / "tools.py")
    assert spec is not None
    assert spec.loader is not None
    tools: ModuleType = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules["tools"] = tools
    spec.loader.exec_module(tools)
    return tools


@pytest.fixture(scope="session")
def helms() -> dict[str, Path]:
    """A real helm by its version."""
    found: dict[str, Path] = _tools().helms()
    return found


@pytest.fixture(scope="session")
def envoy() -> Path:
    """A real Envoy."""
    found: Path = _tools().envoy()
    return found


@pytest.fixture
def stage(canaries: Plane, commits: CommitLog, smi: SmiEndpoint, helms: dict[str, Path], namespace: str) -> Stage:
    """What every application of a test stands on."""
    return canaries, commits, smi, next(iter(helms.values())), namespace


AnyShop = TypeVar("AnyShop", bound=Shop)
AnyScene = TypeVar("AnyScene", bound=Scene)


def _judged(shop: AnyShop, request: pytest.FixtureRequest) -> Iterator[AnyShop]:
    """What the controllers of an application have done is judged when the test has passed."""
    request.node.stash[CONTROLLERS] = shop
    try:
        yield shop
        if not request.node.stash.get(FAILED, False):
            shop.judge()
    finally:
        shop.close()


def _closed(scene: AnyScene, request: pytest.FixtureRequest) -> Iterator[AnyScene]:
    """The Pods of a scene end with the namespace."""
    request.node.stash[SCENE] = scene
    try:
        yield scene
    finally:
        scene.close()


@pytest.fixture
def shop(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """An application that has yet to be opened."""
    yield from _judged(Shop(*stage), request)


@pytest.fixture
def scene(shop: Shop, envoy: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The same with Pods that run and a proxy before them, yet to be opened."""
    yield from _closed(Scene(shop, envoy, tmp_path), request)


@pytest.fixture
def managed(stage: Stage, request: pytest.FixtureRequest) -> Iterator[ManagedShop]:
    """A Deployment for managed mode that has yet to be opened."""
    yield from _judged(ManagedShop(*stage), request)


@pytest.fixture
def mesh(managed: ManagedShop, envoy: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ManagedScene]:
    """The same with Pods that run and a proxy before them, whose numbers are the controller's metrics."""
    yield from _closed(ManagedScene(managed, envoy, tmp_path), request)


def client_for(plane: Plane, user: User, *, user_agent: str = USER_AGENT) -> Client:
    """The project's own client, as `user`; to be closed by the caller. Needs a running event loop."""
    transport = HttpTransport(plane.server, token=user.token, ca_file=str(plane.ca), user_agent=user_agent)
    return Client(transport, clock=SystemClock(), rng=random.Random(1))


@pytest.fixture
async def admin(plane: Plane) -> AsyncIterator[Client]:
    """A client that may do anything."""
    client = client_for(plane, plane.user("admin"))
    yield client
    await client.close()
