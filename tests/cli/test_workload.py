"""What `canary status` shows of a Canary in managed mode beside its own status."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from canary.cli.screen import screen
from canary.cli.status import status as show
from canary.cli.workload import Part, workload
from canary.kube.errors import Forbidden
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.app import App, Release
from canary.sandbox.managed_app import deployment

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MANAGED = {"targetRef": {"name": "podinfo"}, "backends": None}
APP = App()


def managed(view, status=None, **spec):
    return view(status, {"targetRef": {"name": "podinfo"}, **spec})


def shown(view, *parts):
    lines = [line.plain for line in screen(view, (), NOW, parts)]
    start = next(n for n, line in enumerate(lines) if line.startswith("Workload"))
    return [line[12:] for line in lines[start : start + len(parts)]]


def stable_side():
    """What the controller makes for the application."""
    manifest = deployment(APP, Release("1"), replicas=2)
    labels = {"app": "podinfo-stable"}
    manifest["metadata"] = {"name": "podinfo-stable", "namespace": "shop"}
    manifest["spec"] = manifest["spec"] | {"selector": {"matchLabels": labels}}
    manifest["spec"]["template"]["metadata"]["labels"] = labels
    service = APP.root()
    service["metadata"] = {
        "name": "podinfo-stable",
        "namespace": "shop",
        "labels": {"canary.delivery/canary": "podinfo"},
    }
    service["spec"] = service["spec"] | {"selector": labels}
    return manifest, service


def test_both_deployments_are_shown_with_their_pods_their_share_and_their_image(view, status):
    found = shown(
        managed(view, status(canaryWeight=25)),
        Part("Deployment", "podinfo-stable", "what was promoted", "podinfo:1", 3, 3),
        Part("Deployment", "podinfo", "what is asked for", "podinfo:2", 1, 0),
        Part("Service", "podinfo", "for callers", "selects app=podinfo-stable"),
    )
    assert found == [
        "✔ Deployment   podinfo-stable   3/3 ready   75%   podinfo:1 (what was promoted)",
        "◌ Deployment   podinfo          0/1 ready   25%   podinfo:2 (what is asked for)",
        "✔ Service      podinfo                            selects app=podinfo-stable (for callers)",
    ]


def test_a_candidate_that_is_scaled_to_zero_is_at_rest_and_what_is_missing_is_named(view, status):
    found = shown(
        managed(view, status("Promoted", canaryWeight=0)),
        Part("Deployment", "podinfo", "what is asked for", "podinfo:2", 0, 0),
        Part("Service", "podinfo-canary", exists=False),
    )
    assert found[0].startswith("· Deployment   podinfo          0/0 ready   0%")
    assert found[1].startswith("✖ Service      podinfo-canary")
    assert found[1].endswith("does not exist")


def test_in_services_mode_there_is_no_such_section(in_world, view):
    async def test(world):
        return await workload(world.session().client, view())

    assert in_world(test) == ()


def test_the_parts_are_read_from_the_cluster_in_at_most_four_requests(in_world, view):
    async def test(world):
        await world.cluster.apply(APP.root(), deployment(APP, Release("2"), replicas=1), *stable_side())
        await world.cluster.ready("shop", "podinfo", "podinfo-stable")
        session = world.session(transport=_Counted(world.cluster.server))
        return await workload(session.client, managed(view)), session.client.transport.count

    parts, requests = in_world(test)
    assert requests == 4
    assert parts == (
        Part("Deployment", "podinfo-stable", "what was promoted", "sandbox/podinfo:1", 2, 2),
        Part("Deployment", "podinfo", "what is asked for", "sandbox/podinfo:2", 1, 1),
        Part("Service", "podinfo", "for callers", "selects app=podinfo"),
        Part("Service", "podinfo-stable", "", "selects app=podinfo-stable"),
        Part("Service", "podinfo-canary", exists=False),
    )


class _Counted(DirectTransport):
    count = 0

    async def request(self, method, path, **options):
        self.count += 1
        return await super().request(method, path, **options)


class _NoDeployments(DirectTransport):
    async def request(self, method, path, **options):
        if "/deployments" in path:
            raise Forbidden(403, "Forbidden", "no deployments for you")
        return await super().request(method, path, **options)


def test_the_screen_is_shown_without_the_right_to_read_deployments(in_world):
    async def test(world):
        await world.create(**MANAGED)
        session = world.session(transport=_NoDeployments(world.cluster.server))
        assert await world.code(show(session, "podinfo")) == 0
        return world.out.getvalue().splitlines()

    assert any(line.startswith("Workload    may not be read") for line in in_world(test))


STUCK = [
    ("NameTaken", "rename or delete that object"),
    ("SelectorConflict", "kubectl annotate canaries.canary.delivery podinfo -n shop canary.delivery/acknowledge="),
    ("ServiceManagedElsewhere", "spec.service.adopt to Force"),
    ("TargetUnsupported", "change Deployment podinfo as the message says"),
    ("WaitingForTarget", "apply Deployment podinfo again"),
    ("WorkloadWriteRefused", "RBAC, quota, admission webhook"),
    ("StableUnavailable", "make a pod of the stable side ready"),
]


@pytest.mark.parametrize(("reason", "words"), STUCK, ids=[reason for reason, _ in STUCK])
def test_whoever_is_stuck_is_told_what_to_do(view, status, reason, words):
    stuck = status("Invalid", reason=reason) | {"phase": "Idle"}
    assert any(words in line.plain for line in screen(managed(view, stuck), (), NOW))


@pytest.mark.parametrize("reason", ["PromotionFailed", "ProgressDeadlineExceeded"])
def test_pods_that_did_not_come_ask_for_a_fix_or_a_retry(view, status, reason):
    lines = [line.plain for line in screen(managed(view, status("RolledBack", reason=reason)), (), NOW)]
    advice = "push a fix of what the message names; or, if its cause is gone: canary retry podinfo -n shop"
    assert any(advice in line for line in lines)


def test_pods_that_fail_during_a_rollout_ask_for_a_fix_or_an_abort(view, status):
    lines = [line.plain for line in screen(managed(view, status(reason="PodsFailing")), (), NOW)]
    assert any("push a fix, which takes its place, or end it: canary abort podinfo -n shop" in line for line in lines)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("ReplicasManagedElsewhere", "leave spec.replicas out of the manifest of Deployment podinfo"),
        ("TrafficNotFollowing", "look whether the mesh follows the TrafficSplit"),
    ],
)
def test_what_should_be_otherwise_is_said_while_everything_goes_on(view, status, kind, words):
    told = status("Promoted")
    told["conditions"].append(told["conditions"][0] | {"type": kind, "status": "True", "reason": kind})
    lines = [line.plain for line in screen(managed(view, told), (), NOW)]
    assert any(words in line for line in lines)
    assert any(line.strip().startswith(f"{kind} True") for line in lines)
