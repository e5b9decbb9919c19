"""A deleted Canary in managed mode: the user's Deployment serves again, and nothing of ours is left."""

from __future__ import annotations

import pytest

from canary.kube.client import PatchKind
from canary.kube.resources import DEPLOYMENTS, SERVICES
from canary.sandbox.apiserver.faults import Answer, Silence, Stale
from canary.sandbox.app import App, Release
from canary.sandbox.managed_app import autoscaler, deployment
from canary.sandbox.mesh.routes import TRAFFIC_SPLITS
from canary.workload.ownership import unmarked
from tests.controller.conftest import QUICK

APP = App()


async def _bring(sim, phase):
    await sim.onboarded()
    if phase == "Idle":
        return
    await sim.release(Release("2", errors=30 if phase.startswith("Roll") else 0))
    await (sim.weight(20) if phase == "Progressing" else sim.reach(phase))


async def test_at_every_moment_the_root_has_ready_endpoints(managed):
    async with managed() as sim:
        await _bring(sim, "RolledBack")
        await sim.delete_canary()
        await sim.gone()
        await sim.sleep(10.0)
        slices = [c for c in sim.cluster.server.commits.of("endpointslices", "shop") if c.name.startswith("podinfo-")]
        roots = [c for c in slices if (c.new or c.old)["metadata"]["labels"]["kubernetes.io/service-name"] == "podinfo"]
        ready = [_ready(c.new) for c in roots if c.new and c.monotonic > 1.0]
        assert min(ready) > 0


def _ready(piece):
    return sum(1 for endpoint in piece.get("endpoints") or () if endpoint["conditions"].get("ready"))


async def test_a_finalizer_that_somebody_takes_off_comes_back(managed):
    async with managed() as sim:
        await sim.onboarded()
        await sim.strip_finalizers()
        await sim.sleep(5.0)
        await sim.delete_canary()
        await sim.gone()
        assert (sim.ours(), sim.selector()) == ([], "podinfo")


@pytest.mark.parametrize("phase", ["Idle", "Progressing", "RolledBack"])
async def test_a_canary_that_is_made_anew_finds_its_parts(managed, phase):
    async with managed() as sim:
        await _bring(sim, phase)
        await sim.strip_finalizers()
        await sim.delete_canary()
        await sim.gone(30.0)
        await sim.apply(sim.managed_canary())
        await sim.until(lambda: sim.phase() in ("Idle", "Promoted", "RolledBack") and sim.replicas() == 0, 300.0)
        assert sim.deployment("podinfo-stable")["status"]["readyReplicas"] == 3
        await sim.sleep(30.0)
        await sim.delete_canary()
        await sim.gone()
        assert (sim.ours(), sim.object("deployments", "podinfo-stable")) == ([], None)


@pytest.mark.parametrize(
    ("before", "after"),
    [({"app": "podinfo", "tier": "web"}, {"app": "podinfo", "tier": "web"}), ({"app": "nobody"}, {"app": "podinfo"})],
    ids=["that the pods have", "that no pod has"],
)
async def test_the_root_gets_a_selector_back(managed, before, after):
    async with managed(applied=False) as sim:
        labels = {"metadata": {"labels": {"tier": "web"}}}
        await sim.cluster.client.patch(DEPLOYMENTS, "podinfo", {"spec": {"template": labels}}, "shop")
        await sim.cluster.client.patch(SERVICES, "podinfo", {"spec": {"selector": before}}, "shop")
        await sim.apply(sim.managed_canary())
        await sim.onboarded()
        await sim.delete_canary()
        await sim.gone()
        assert sim.object("services")["spec"]["selector"] == after


async def test_a_kind_that_is_not_served_for_a_moment_is_not_taken_for_gone(managed):
    async with managed(autoscaler(App(), fewest=2)) as sim:
        await sim.onboarded()
        rule = sim.faults.add(Answer(404), verb="delete", resource="horizontalpodautoscalers", user_agent="one")
        await sim.delete_canary()
        await sim.until(lambda: rule.fired > 0, 60.0)
        await sim.sleep(15.0)
        assert sim.object("canaries") is not None
        sim.faults.remove(rule)
        await sim.gone()
        assert sim.ours() == []


LEFT = "canary.delivery/left-by"


async def _left_behind(sim):
    """As `helm uninstall` does it: the Deployment goes with its Canary."""
    await sim.onboarded()
    await sim.cluster.client.delete(DEPLOYMENTS, "podinfo", "shop")
    await sim.sleep(5.0)
    await sim.delete_canary()
    await sim.gone()


def _bearing(sim, label):
    """What has the label, but for EndpointSlices, which inherit it."""
    written = {(c.plural, c.name) for c in sim.cluster.server.commits if c.namespace == "shop"}
    found = {f"{plural} {name}": sim.object(plural, name) for plural, name in written if plural != "endpointslices"}
    return {what for what, obj in found.items() if obj and label in (obj["metadata"].get("labels") or {})}


async def test_what_is_left_behind_says_so_and_the_root_does_not_go_with_it(managed):
    async with managed(autoscaler(APP)) as sim:
        await _left_behind(sim)
        left = _bearing(sim, LEFT)
        pins = {name for name in left if name.startswith("controllerrevisions ")}
        assert left - pins == {
            "deployments podinfo-stable",
            "horizontalpodautoscalers podinfo-stable",
            "services podinfo-stable",
            "services podinfo-canary",
        }
        assert len(pins) == 1


@pytest.mark.parametrize("version", ["1", "2"])
async def test_what_was_left_behind_serves_on_when_the_application_is_installed_again(managed, version):
    async with managed(autoscaler(APP)) as sim:
        await _left_behind(sim)
        before = sim.deployment("podinfo-stable")
        await sim.kill("one")
        sim.start("two")
        await sim.cluster.apply(deployment(APP, Release(version), replicas=3))
        await sim.apply(sim.managed_canary(**QUICK))
        await sim.reach("Idle" if version == "1" else "Progressing", timeout=120.0)
        assert sim.deployment("podinfo-stable")["spec"]["template"] == before["spec"]["template"]
        await sim.until(lambda: sim.image("podinfo-stable") == version and sim.replicas() == 0, 300.0)
        assert sim.deployment("podinfo-stable")["metadata"]["uid"] == before["metadata"]["uid"]
        assert _bearing(sim, LEFT) == set()
        await sim.delete_canary()
        await sim.gone()
        assert (sim.ours(), sim.object("deployments", "podinfo-stable")) == ([], None)


async def _let_go(sim):
    """As another process does, whose clock says that the target has had its time."""
    labels, annotations = unmarked()
    patch = {"metadata": {"labels": labels | {LEFT: "podinfo"}, "annotations": annotations}}
    await sim.cluster.client.patch(SERVICES, "podinfo-canary", patch, "shop")


async def test_what_another_process_has_let_go_of_is_not_taken_back(managed):
    async with managed() as sim:
        await sim.onboarded()
        sim.faults.add(Answer(503), verb="patch", resource="deployments", name="podinfo", user_agent="one")
        await sim.delete_canary()
        await sim.until(lambda: sim.state() is not None and sim.state().reason == "Deleted", 60.0)
        await _let_go(sim)
        await sim.gone(30.0)
        assert sim.ours() == []
        assert {"services podinfo-canary", "services podinfo-stable"} <= _bearing(sim, LEFT)
        assert sim.deployment("podinfo-stable")["status"]["readyReplicas"] == 3


async def test_who_has_not_heard_of_the_deletion_takes_nothing_back_either(managed):
    async with managed() as sim:
        await sim.onboarded()
        await sim.kill("one")
        silence = sim.faults.add(Silence(0), resource="canaries")
        sim.start("two")
        await sim.sleep(20.0)
        await sim.delete_canary()
        await _let_go(sim)
        await sim.sleep(5.0)
        assert "services podinfo-canary" in _bearing(sim, LEFT)
        sim.faults.remove(silence)


async def test_what_was_left_behind_and_changed_since_is_not_written_over(managed):
    async with managed() as sim:
        await _left_behind(sim)
        fix = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "sandbox/podinfo:1.1"}]
        await sim.cluster.client.patch(DEPLOYMENTS, "podinfo-stable", fix, "shop", kind=PatchKind.JSON)
        await sim.cluster.apply(deployment(APP, Release("2"), replicas=3))
        await sim.apply(sim.managed_canary(**QUICK))
        await sim.until(lambda: "template was changed since" in sim.status().message, 60.0)
        await sim.sleep(30.0)
        assert sim.image("podinfo-stable") == "1.1"
        await sim.cluster.client.delete(DEPLOYMENTS, "podinfo-stable", "shop")
        await sim.onboarded()


@pytest.mark.parametrize("after", ["deployments", "services", "trafficsplits"])
async def test_a_process_that_dies_on_the_way_has_an_heir(managed, after):
    async with managed() as sim:
        await _bring(sim, "RolledBack")
        before = len(sim.by("one"))
        await sim.delete_canary()
        await sim.until(lambda: any(c.plural == after for c in sim.by("one")[before:]), 60.0)
        await sim.kill("one")
        sim.start("two")
        await sim.gone()
        assert sim.ours() == []
        assert sim.image() == "1"


async def test_a_process_that_has_not_heard_of_the_stable_copy_does_not_leave_it_behind(managed):
    async with managed() as sim:
        await sim.until(lambda: sim.object("deployments", "podinfo-stable") is not None, 60.0)
        await sim.kill("one")
        sim.faults.add(Stale(versions=1000), resource="deployments", times=1)
        silence = sim.faults.add(Silence(0), resource="deployments")
        sim.start("two")
        await sim.delete_canary()
        await sim.sleep(30.0)
        assert sim.object("deployments", "podinfo-stable") is not None
        sim.faults.remove(silence)
        await sim.gone()
        assert sim.ours() == []


async def test_a_backend_that_somebody_elses_split_names_stays_without_our_marks(managed):
    async with managed() as sim:
        await sim.onboarded()
        other = {
            "apiVersion": TRAFFIC_SPLITS.api_version,
            "kind": TRAFFIC_SPLITS.kind,
            "metadata": {"name": "partners", "namespace": "shop"},
            "spec": {"service": "partners", "backends": [{"service": "podinfo-stable", "weight": 100}]},
        }
        await sim.apply(other)
        await sim.sleep(1.0)
        await sim.delete_canary()
        await sim.gone()
        assert sim.ours() == []
        assert sim.selector("podinfo-stable") == "podinfo"
        assert sim.object("services", "podinfo-canary") is None


async def test_the_root_is_not_given_back_to_what_a_late_watch_has_not_told_of(managed):
    async with managed(processes=()) as sim:
        sim.lag = lambda: 5.0
        sim.start("one")
        await sim.onboarded()
        await sim.release(Release("2", errors=60))
        await sim.reach("RolledBack")
        wire, pushed = sim.wires["one"], False

        async def before(sent):
            nonlocal pushed
            if sent.what == "get services" and sent.path.endswith("/podinfo") and not pushed:
                pushed = True
                await sim.release(Release("2", errors=60))

        wire.before = before
        await sim.delete_canary()
        await sim.until(lambda: pushed)
        await sim.sleep(4.0)
        assert sim.image() != "2" or sim.selector() != "podinfo"
