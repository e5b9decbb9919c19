"""The chart gives the controller the rights that it uses, and none besides."""

from __future__ import annotations

import random
from pathlib import Path

import yaml

from canary.api.names import API_VERSION, KIND
from canary.kube.client import PatchKind
from canary.kube.resources import AUTOSCALERS, CONFIG_MAPS, DEPLOYMENTS, DISRUPTION_BUDGETS
from canary.sandbox.apiserver.request import parse_target
from canary.sandbox.oracle import Oracle
from tests.controller.conftest import Rollout

RULES = Path(__file__).parents[2] / "charts/canary/templates/_rules.tpl"
ELSEWHERE = {"leases", "customresourcedefinitions"}
"""Rights on these are in Roles of their own."""
SPARED = {
    # An event that happens again within minutes is counted up.
    ("patch", "events.k8s.io", "events"),
    # Those of workloads of other kinds than the Deployments of this rollout.
    *(("list", "metrics.smi-spec.io", kind) for kind in ("statefulsets", "daemonsets", "pods", "services")),
    *(("get", "metrics.smi-spec.io", f"{kind}/edges") for kind in ("statefulsets", "daemonsets", "pods", "services")),
    # Only where the administrator has turned Secrets on.
    *((verb, "", "secrets") for verb in ("list", "watch", "create", "patch", "delete")),
    # KEDA's, where it is installed.
    *((verb, "keda.sh", "scaledobjects") for verb in ("get", "list", "watch", "create", "patch", "delete")),
    # Another name of a revision, after the API server's defaults have changed.
    ("patch", "apps", "controllerrevisions"),
}
"""What no rollout below needs."""
SEEN = {"name": "seen", "min": "99", "from": {"kind": "Deployment", "name": "checkout"}}


def granted():
    """(verb, group, resource) of every rule of the template."""
    text = RULES.read_text().partition('{{- define "canary.rules" -}}')[2].partition("{{- end -}}")[0]
    # With every condition of the template true.
    rules = yaml.safe_load("\n".join(line for line in text.splitlines() if not line.startswith("{{")))
    return {
        (verb, group, resource)
        for rule in rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def used(sim):
    wire = sim.wires["one"]
    found = set()
    for sent in (*wire.sent, *wire.watched):
        target = parse_target(sent.path)
        if target is not None and target.plural not in ELSEWHERE:
            verb, _, resource = sent.what.partition(" ")
            found.add((verb, target.group, resource))
    return found


class Managed(Rollout):
    """A Deployment with all that is copied beside it. What it makes of it is judged elsewhere."""

    def oracle(self):
        return Oracle(self.app.namespace, self.app.name, self.app.name)

    async def open(self):
        create = self.cluster.client.create
        await create(CONFIG_MAPS, named("v1", "ConfigMap", data={"greeting": "hello"}), "shop")
        await create(AUTOSCALERS, named("autoscaling/v2", "HorizontalPodAutoscaler", **AUTOSCALER), "shop")
        await create(DISRUPTION_BUDGETS, named("policy/v1", "PodDisruptionBudget", **BUDGET), "shop")
        root = named("v1", "Service", **SERVICE)
        root["metadata"]["annotations"] = {"sandbox.canary.delivery/request-rate": "200"}
        await self.apply(root, named("apps/v1", "Deployment", **deployment()))
        await self.cluster.ready("shop", "podinfo")
        await self.apply(named(API_VERSION, KIND, **CANARY))
        self.start()
        await self.reach("Idle")

    async def change(self, resource, patch):
        await self.cluster.client.patch(resource, "podinfo", patch, "shop", kind=PatchKind.MERGE)


LABELS = {"app": "podinfo"}
BUDGET = {"spec": {"selector": {"matchLabels": LABELS}, "minAvailable": 1}}
SERVICE = {"spec": {"selector": LABELS, "ports": [{"name": "http", "port": 80}]}}
AUTOSCALER = {
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
        "minReplicas": 2,
        "maxReplicas": 4,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
    }
}
CANARY = {
    "spec": {
        "targetRef": {"name": "podinfo"},
        "service": {"name": "podinfo", "adopt": "Force"},
        "traffic": {"settle": "2s"},
        "steps": [{"weight": 50, "hold": "10s"}],
        "analysis": {"interval": "10s", "warmup": "5s"},
    }
}


def named(api_version, kind, **fields):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "podinfo", "namespace": "shop"}} | fields


def deployment(image="podinfo:1"):
    container = {"name": "podinfo", "image": image, "envFrom": [{"configMapRef": {"name": "podinfo"}}]}
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}
    return {"spec": {"selector": {"matchLabels": LABELS}, "template": template}}


async def manage():
    """What a managed rollout asks for, with edits of everything that is copied, and what it asks when it goes."""
    async with Managed(random.Random(1)) as sim:
        await sim.open()
        await sim.change(AUTOSCALERS, {"spec": {"maxReplicas": 5}})
        await sim.change(DISRUPTION_BUDGETS, {"spec": {"minAvailable": 2}})
        await sim.apply(named("apps/v1", "Deployment", **deployment("podinfo:2")))
        await sim.reach("Promoted")
        await sim.sleep(60)
        # The server's defaults have changed: the same revision under another name.
        await sim.change(DEPLOYMENTS, {"spec": {"template": {"spec": {"hostname": None}}}})
        await sim.delete_canary()
        await sim.until(lambda: sim.object("canaries") is None, 300)
        return used(sim)


async def leave_without_a_target():
    async with Managed(random.Random(1)) as sim:
        await sim.open()
        await sim.cluster.client.delete(DEPLOYMENTS, "podinfo", "shop")
        await sim.sleep(5)
        await sim.delete_canary()
        await sim.until(lambda: sim.object("canaries") is None, 900)
        return used(sim)


async def test_what_a_rollout_a_rollback_and_a_deletion_ask_is_what_the_chart_permits(rollout):
    asked = set()
    for errors in (0, 20):
        async with rollout(errors=errors) as sim:
            await sim.reach("Promoted", "RolledBack")
            await sim.delete_canary()
            await sim.sleep(60)
        asked |= used(sim)
    async with rollout(analysis={"interval": "10s", "warmup": "5s", "metrics": [SEEN]}) as sim:
        await sim.weight(10)
        await sim.sleep(30)
    asked |= used(sim) | await manage() | await leave_without_a_target()
    assert asked - SPARED == granted() - SPARED


def test_what_is_spared_is_granted():
    assert granted() >= SPARED
