"""Managed mode under Helm, kubectl, Argo CD and Flux, by the recipes of docs/gitops-managed.md as they are written.

What the fixture judges of every test: no side with weight is ever without a ready endpoint, no weight goes to what was
rejected, and every raise had its reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import dropwhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary.api.names import OWNER_ANNOTATION
from canary.api.tracking import LEFT_ALONE
from canary.workload.ownership import denied
from e2e.dataplane.pods import RUN
from e2e.dataplane.scene import APPLICATION
from e2e.managed import manifests
from e2e.managed.applier import ARGO_CD, FLUX, PIPELINE, Applier, Tool
from e2e.managed.manifests import LABELS, STABLE, STABLE_LABELS
from e2e.managed.recipes import Recipes
from e2e.managed.scene import ManagedScene
from e2e.managed.shop import COLLECTIONS, ManagedShop
from e2e.shop import NAME, SPLITS, WORKING

TOOLS = pytest.mark.parametrize("tool", [ARGO_CD, FLUX], ids=["Argo CD", "Flux"])
HELMS = pytest.mark.parametrize("version", ["v3.17.2", "v4.1.4"], ids=["Helm 3", "Helm 4"])
OLD, NEW, NEWER = "6.7.0", "6.7.1", "6.7.2"
ALL_STEPS = [0, 5, 50, 0]


@pytest.fixture
def gitops(managed: ManagedShop) -> Iterator[ManagedShop]:
    """A namespace with a controller and nothing else; what the controller makes is never tracked by a tool."""
    for name in (NAME, STABLE):
        managed.numbers(name, WORKING)
    managed.start()
    yield managed
    assert_untracked(managed)


def assert_untracked(shop: ManagedShop) -> None:
    """No version of anything that we made bears a mark by which a tool takes it for its own."""
    marks = [
        f"{commit.plural}/{commit.name}: {key}={value}"
        for commit in shop.commits()
        if commit.new is not None and OWNER_ANNOTATION in commit.new["metadata"].get("annotations", {})
        for place in ("labels", "annotations")
        for key, value in commit.new["metadata"].get(place, {}).items()
        if denied(key) and not key.startswith("canary.delivery/") and key not in LEFT_ALONE
        # Each has this label, with our own name.
        if (key, value) != ("app.kubernetes.io/managed-by", "canary")
        # The deployment controller counts its own.
        if key != "deployment.kubernetes.io/revision"
    ]
    assert not marks


def tag(shop: ManagedShop, name: str) -> str:
    """The tag of the image of a Deployment."""
    return shop.image(name).rpartition(":")[2]


def generation(shop: ManagedShop) -> int:
    """How often the spec of the user's Deployment was changed."""
    return int((shop.deployment(NAME) or {})["metadata"]["generation"])


def at_rest(shop: ManagedShop) -> bool:
    return shop.phase() in ("Idle", "Promoted") and shop.replicas(NAME) == 0


# Helm.


@HELMS
def test_a_chart_is_released_upgraded_in_the_middle_and_rolled_back(
    gitops: ManagedShop, helms: dict[str, Path], tmp_path: Path, version: str
) -> None:
    git = Recipes(gitops, tmp_path, helm=helms[version])
    install, _, release, released = git.commands("Helm")[:4]
    git.run(install)
    gitops.until(lambda: at_rest(gitops), "rest")
    before = generation(gitops)
    git.run(install)
    git.run(install)
    assert generation(gitops) == before
    assert gitops.raised() == [0]

    git.run(release)
    git.run(released)
    assert tag(gitops, STABLE) == NEW
    assert gitops.raised() == ALL_STEPS

    gitops.until(lambda: at_rest(gitops), "rest")
    git.run(f"helm rollback {NAME} --namespace {gitops.namespace}")
    gitops.until(lambda: gitops.raised() == [*ALL_STEPS, *ALL_STEPS[1:]], "the same steps")
    assert tag(gitops, STABLE) == OLD


@HELMS
def test_a_chart_is_upgraded_and_rolled_back_in_the_middle_of_a_rollout_and_uninstalled(
    gitops: ManagedShop, helms: dict[str, Path], tmp_path: Path, version: str
) -> None:
    git = Recipes(gitops, tmp_path, hold="2m", helm=helms[version])
    install, _, release, _ = git.commands("Helm")[:4]
    git.run(install)
    gitops.until(lambda: at_rest(gitops), "rest")
    git.run(release)
    gitops.until_weight(5)
    # A pipeline that is run again changes nothing.
    first = gitops.revision()
    git.run(release)
    git.run(release.replace(NEW, NEWER))
    gitops.until(lambda: gitops.revision() != first and gitops.weight() == 5, "the newer image under trial")
    assert gitops.raised() == [0, 5, 0, 5]
    # To what is promoted: the rollout ends at once.
    git.run(f"helm rollback {NAME} 1 --namespace {gitops.namespace}")
    gitops.until_told("Idle")
    gitops.until(lambda: at_rest(gitops), "rest")
    assert gitops.raised() == [0, 5, 0, 5, 0]
    assert tag(gitops, STABLE) == OLD

    git.run(release)
    gitops.until_weight(5)
    for command in git.commands("Helm")[4:7]:
        git.run(command)
    assert_nothing_left(gitops)


def test_an_uninstall_alone_lets_go_of_what_serves_and_the_next_install_takes_it_up_again(
    gitops: ManagedShop, helms: dict[str, Path], tmp_path: Path
) -> None:
    git = Recipes(gitops, tmp_path, helm=helms["v4.1.4"])
    install, commands = git.commands("Helm")[0], git.commands("Helm")
    uninstall, clean = commands[5], commands[7:9]
    git.run(install)
    gitops.until(lambda: at_rest(gitops), "rest")
    uid = (gitops.deployment(STABLE) or {})["metadata"]["uid"]
    git.run(uninstall)
    assert_let_go(gitops)

    git.run(f"{install} --set image.tag={NEW}")
    gitops.until(lambda: tag(gitops, STABLE) == NEW and at_rest(gitops), "the other image", timeout=60)
    assert gitops.raised() == ALL_STEPS
    assert (gitops.deployment(STABLE) or {})["metadata"]["uid"] == uid
    stable = [c.new for c in gitops.commits("deployments") if c.name == STABLE and c.new]
    available = [one["status"].get("availableReplicas", 0) for one in stable]
    assert min(dropwhile(lambda count: not count, available)) >= 1

    git.run(uninstall)
    assert_let_go(gitops)
    for command in clean:
        git.run(command)
    assert_nothing_left(gitops)


def assert_let_go(shop: ManagedShop) -> None:
    shop.until_gone()
    shop.until(lambda: shop.deployment(NAME) is None, "end of the Deployment")
    assert shop.ours() == []
    # Templates are kept for the next Canary, which finds them by the label.
    assert len(shop.kept_templates()) >= 1
    assert shop.get(SPLITS) is None
    assert shop.pods_ready(STABLE) >= 1
    assert shop.ready_endpoints(NAME) >= 1


@HELMS
def test_replicas_in_a_chart_are_the_size_and_no_conflict_at_any_time(
    gitops: ManagedShop, helms: dict[str, Path], tmp_path: Path, version: str
) -> None:
    git = Recipes(gitops, tmp_path, helm=helms[version])
    chart = "helm/podinfo/templates/deployment.yaml"
    git.edit(chart, "spec:\n  # No", "spec:\n  replicas: 2\n  # No")
    git.path("helm/podinfo/templates/autoscaler.yaml").unlink()
    install, _, release, released = git.commands("Helm")[:4]
    git.run(install)
    gitops.until(lambda: at_rest(gitops), "rest")
    git.run(install)
    gitops.until(lambda: at_rest(gitops) and gitops.replicas(STABLE) == 2, "rest")
    git.run(release)
    for weight in (5, 50):
        gitops.until_weight(weight, timeout=40)
        git.run(release)
    git.edit(chart, "replicas: 2", "replicas: 3")
    git.run(release)
    git.run(released)
    gitops.until(lambda: at_rest(gitops) and gitops.pods_ready(STABLE) == 3, "three Pods")
    assert (tag(gitops, STABLE), gitops.raised()) == (NEW, ALL_STEPS)
    if version.startswith("v4"):
        assert "helm applies spec.replicas" in gitops.condition_message("ReplicasManagedElsewhere")
    # The controller is gone, and so is what it claimed.
    gitops.leave()
    git.edit(chart, "replicas: 3", "replicas: 1")
    git.path("helm/podinfo/templates/canary.yaml").unlink()
    git.run(release)
    assert gitops.replicas(NAME) == 1


def assert_nothing_left(shop: ManagedShop) -> None:
    """Neither of the user's nor of ours."""
    shop.until(lambda: shop.deployment(NAME) is None, "end of the Deployment")
    assert shop.object("canaries") is None
    for kind in COLLECTIONS.values():
        items = shop.plane.api.json("GET", kind.format(namespace=shop.namespace))["items"]
        assert [item["metadata"]["name"] for item in items if item["metadata"]["name"] != "kube-root-ca.crt"] == []
    assert shop.ours() == shop.kept_templates() == []
    assert shop.get(SPLITS) is None


# kubectl.


@pytest.mark.parametrize(
    ("options", "replicas"),
    [("", None), (" --server-side", None), (" --server-side", 2)],
    ids=["client side", "server side", "server side, with replicas"],
)
def test_kubectl_apply_in_each_phase_has_no_conflict_and_disturbs_nothing(
    gitops: ManagedShop, tmp_path: Path, options: str, replicas: int | None
) -> None:
    # So that each phase lasts long enough to be met.
    gitops.settle = "2s"
    git = Recipes(gitops, tmp_path)
    slow = '      annotations: {test-kubelet/ready-after: "1"}\n'
    git.edit("app/deployment.yaml", "    metadata:\n", f"    metadata:\n{slow}")
    if replicas is not None:
        git.edit("app/deployment.yaml", "spec:\n  # No", f"spec:\n  replicas: {replicas}\n  # No")
        git.edit("app/kustomization.yaml", "  - autoscaler.yaml\n", "")
    apply = f"kubectl apply --kustomize gitops/recipes/app{options}"
    git.run(apply)
    met = {}
    for phase in ("Initializing", "Idle"):
        gitops.until_phase(phase)
        git.run(apply)
        met[phase] = gitops.raised()
    gitops.until(lambda: at_rest(gitops), "rest")
    git.edit("app/deployment.yaml", OLD, NEW)
    for phase in ("Progressing", "Promoting", "Promoted"):
        git.run(apply)
        gitops.until_phase(phase, timeout=40)
        git.run(apply)
        met[phase] = gitops.raised()
    gitops.until(lambda: at_rest(gitops), "rest")
    assert met["Idle"] == [0]
    assert met["Promoted"] == gitops.raised() == ALL_STEPS
    assert tag(gitops, STABLE) == NEW


# Argo CD and Flux.


@pytest.mark.parametrize(
    ("tool", "replicas"), [(ARGO_CD, 2), (FLUX, None)], ids=["Argo CD, with replicas", "Flux, without replicas"]
)
def test_a_tool_that_forces_its_manifests_all_the_time_loses_no_request(
    mesh: ManagedScene, tmp_path: Path, tool: Tool, replicas: int | None
) -> None:
    shop = mesh.shop
    mesh.open_managed(root=False, deploy=False)
    application = Recipes(shop, tmp_path / "git").application()
    deployment = running(mesh, application[0], "1", replicas)
    with Applier(shop, tool, [deployment, *application[1:]]) as applier:
        shop.start()
        shop.until_phase("Idle", timeout=60)
        mesh.open_proxy(2)
        mesh.measure()
        with mesh.calling() as load:
            applier.manifests[0] = running(mesh, application[0], "2", replicas)
            if replicas is not None:
                shop.until(lambda: elsewhere(shop), "condition ReplicasManagedElsewhere")
                assert tool.manager in shop.condition_message("ReplicasManagedElsewhere")
            shop.until_told("Promoted", timeout=80)
            before, raised = applier.syncs, shop.raised()
            shop.until(lambda: applier.syncs >= before + 3, "three more syncs")
            requests = mesh.no_request_failed(load)
        if replicas is None:
            shop.until(lambda: at_rest(shop), "rest")
            assert not elsewhere(shop)
    assert raised == shop.raised() == ALL_STEPS
    assert {version for version, _ in requests.counts()} == {"1", "2"}
    assert tag(shop, STABLE) == "2"
    assert_untracked(shop)


def running(mesh: ManagedScene, deployment: dict[str, Any], version: str, replicas: int | None) -> dict[str, Any]:
    """The recipe's Deployment with Pods that are processes."""
    made = mesh.target(version, replicas=replicas)
    assert made["spec"]["template"]["metadata"]["annotations"][RUN] == APPLICATION
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    ours = made["spec"]["template"]["spec"]["containers"][0]
    made["spec"]["template"]["spec"]["containers"] = [container | ours]
    return {**made, "metadata": deployment["metadata"]}


def elsewhere(shop: ManagedShop) -> bool:
    return shop.condition("ReplicasManagedElsewhere")[0] == "True"


@TOOLS
def test_an_application_that_is_there_already_becomes_managed_in_three_commits(
    managed: ManagedShop, tmp_path: Path, tool: Tool
) -> None:
    git = Recipes(managed, tmp_path)
    deployment, autoscaler, _ = git.application()
    with_replicas = {**deployment, "spec": {**deployment["spec"], "replicas": 3}}
    applier = Applier(managed, tool, [with_replicas, manifests.root()])
    applier.sync()
    for name in (NAME, STABLE):
        managed.numbers(name, WORKING)
    managed.until(lambda: managed.pods_ready(NAME) == 3, "ready Pods")
    managed.start()

    autoscaler["spec"]["minReplicas"] = 3
    kept = manifests.root(annotations=dict([tool.keep]))
    applier.manifests = [with_replicas, autoscaler, kept]
    applier.sync()
    canary = git.shown("Canary")
    applier.manifests = [with_replicas, autoscaler, canary]
    applier.sync()
    git.run(git.commands("From an application that is there already")[0])
    applier.sync()
    assert managed.selector() == STABLE_LABELS
    applier.manifests = [deployment, autoscaler, canary]
    applier.sync()
    applier.sync()
    managed.until(lambda: managed.pods_ready(STABLE) == 3 and managed.phase() == "Idle", "stable alone")
    managed.until(lambda: not elsewhere(managed), "replicas in nobody's manifest")
    sizes = [c.new["spec"]["replicas"] for c in managed.commits("deployments") if c.name == STABLE and c.new]
    assert min(sizes) == 3
    assert managed.raised() == [0]


# The root Service in Git.


@pytest.mark.parametrize("tool", [ARGO_CD, FLUX, PIPELINE], ids=["Argo CD", "Flux", "no tool that leaves marks"])
def test_a_root_service_in_git_is_left_alone_unless_by_force_and_then_repaired_at_once(
    gitops: ManagedShop, tmp_path: Path, tool: Tool
) -> None:
    git = Recipes(gitops, tmp_path)
    deployment, autoscaler, _ = git.application()
    canary = git.shown("Canary")
    applier = Applier(gitops, tool, [deployment, autoscaler, manifests.root(), canary])

    for adopt, words in (("Never", "adopt is Never"), ("IfFree", "set spec.service.adopt to Force")):
        canary["spec"]["service"]["adopt"] = adopt
        applier.sync()
        gitops.until(partial(gitops.says, words), words)
        assert gitops.condition("Stalled") == ("True", "ServiceManagedElsewhere")
        assert gitops.selector() == LABELS
        gitops.until(lambda: gitops.replicas(NAME) == 2, "the size of the autoscaler")

    canary["spec"]["service"]["adopt"] = "Force"
    applier.sync()
    for _ in range(5):
        gitops.until(lambda: gitops.selector() == STABLE_LABELS, "the root on stable", timeout=10)
        applier.sync()
    gitops.until_phase("Idle")
    gitops.until(lambda: gitops.selector() == STABLE_LABELS, "the root on stable", timeout=10)
    assert_a_pod_stays(gitops)


def test_kubectl_applies_the_root_service_without_force_and_a_pod_stays_for_it(
    gitops: ManagedShop, tmp_path: Path
) -> None:
    git = Recipes(gitops, tmp_path)
    canary = git.shown("Canary")
    git.path("app/canary.yaml").write_text(yaml.safe_dump(canary), "utf-8")
    git.path("app/service.yaml").write_text(yaml.safe_dump(manifests.root()), "utf-8")
    git.edit("app/kustomization.yaml", "  - canary.yaml\n", "  - canary.yaml\n  - service.yaml\n")
    for _ in range(5):
        git.run("kubectl apply --server-side --kustomize gitops/recipes/app")
        gitops.until(lambda: gitops.selector() == STABLE_LABELS, "the root on stable", timeout=20)
    gitops.until_phase("Idle")
    assert_a_pod_stays(gitops)


def assert_a_pod_stays(shop: ManagedShop) -> None:
    shop.until(lambda: shop.replicas(NAME) == 1, "the Pod for whoever comes while the selector is put back")
    sizes = {c.new["spec"]["replicas"] for c in shop.commits("deployments") if c.name == NAME and c.new}
    assert 0 not in sizes
