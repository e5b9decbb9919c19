"""Managed mode on the real control plane: whoever says how many Pods there are, no rollout is started or stopped.

The HPA controller has no metrics here: it acts on the bounds of an autoscaler alone.
"""

from __future__ import annotations

import pytest

from e2e.managed import manifests
from e2e.managed.manifests import STABLE, STABLE_LABELS
from e2e.managed.shop import AUTOSCALERS, BUDGETS, GITOPS, ManagedShop
from e2e.shop import NAME


def bounds(shop: ManagedShop) -> tuple[int, int] | None:
    """Those of the copy of the autoscaler."""
    found = shop.get(AUTOSCALERS, STABLE)
    return None if found is None else (found["spec"]["minReplicas"], found["spec"]["maxReplicas"])


def test_an_autoscaler_is_copied_and_follows_each_edit_of_the_original(managed: ManagedShop) -> None:
    managed.open(replicas=None, others=(manifests.autoscaler(1, 4), manifests.budget(1)))
    managed.onboard()
    assert bounds(managed) == (1, 4)
    managed.apply(manifests.autoscaler(3, 5))
    managed.until(lambda: bounds(managed) == (3, 5), "bounds that follow")
    managed.until(lambda: managed.replicas(STABLE) == 3, "three stable Pods by the autoscaler")
    managed.apply(manifests.budget(2))
    managed.until(lambda: _budget(managed)["minAvailable"] == 2, "a budget that follows")
    assert _budget(managed)["selector"]["matchLabels"] == STABLE_LABELS
    assert managed.raised() == [0]
    assert managed.replicas(NAME) == 0


def _budget(shop: ManagedShop) -> manifests.JSON:
    found = shop.get(BUDGETS, STABLE)
    assert found is not None
    spec: manifests.JSON = found["spec"]
    return spec


def test_the_bounds_of_the_copy_can_be_set_apart(managed: ManagedShop) -> None:
    managed.open(replicas=None, others=(manifests.autoscaler(1, 4),))
    managed.onboard(autoscaler={"minReplicas": 2, "maxReplicas": 8})
    assert bounds(managed) == (2, 8)
    managed.until(lambda: managed.replicas(STABLE) == 2, "two stable Pods by the autoscaler")


def test_an_autoscaled_deployment_is_rolled_out_and_never_falls_below_its_size(managed: ManagedShop) -> None:
    managed.open(replicas=None, others=(manifests.autoscaler(2, 4),))
    managed.onboard()
    managed.push("2")
    managed.until_told("Promoted", timeout=40)
    assert managed.raised() == [0, 20, 60, 0]
    sizes = [c.new["spec"]["replicas"] for c in managed.commits("deployments") if c.name == STABLE and c.new]
    assert min(sizes) == 2
    managed.until(lambda: managed.replicas(NAME) == 0, "candidate at rest")


@pytest.mark.parametrize("by", ["kubectl scale", "an applier"])
def test_a_size_that_is_asked_of_the_target_becomes_that_of_stable(managed: ManagedShop, by: str) -> None:
    managed.open()
    managed.onboard()
    if by == "kubectl scale":
        managed.kubectl("scale", "deployment", NAME, "--replicas=4")
    else:
        managed.push("1", replicas=4)
    managed.until(lambda: managed.replicas(STABLE) == 4 and managed.replicas(NAME) == 0, "the size at stable")
    managed.until(lambda: managed.ready_endpoints(STABLE) == 4, "four stable Pods")
    assert managed.raised() == [0]
    assert managed.phase() == "Idle"


def test_replicas_that_change_in_the_middle_of_a_rollout_do_not_disturb_it(managed: ManagedShop) -> None:
    managed.open()
    managed.onboard(steps=[{"weight": 20, "hold": "4s"}, {"weight": 60, "hold": "1s"}])
    managed.push("2", replicas=2)
    managed.until_weight(20)
    managed.kubectl("scale", "deployment", NAME, "--replicas=4")
    managed.until(lambda: managed.replicas(STABLE) == 4, "the size at stable")
    managed.apply(manifests.target("2", replicas=3), manager=GITOPS)
    managed.until_told("Promoted", timeout=40)
    managed.until(lambda: managed.replicas(STABLE) == 3 and managed.replicas(NAME) == 0, "the last size")
    assert managed.raised() == [0, 20, 60, 0]
