"""What generated sequences do to each kind: how it is made, and how it is changed rightly and wrongly."""

from __future__ import annotations

from canary.kube.resources import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    LEASES,
    NAMESPACES,
    PODS,
    SERVICES,
)
from e2e.truth import objects
from e2e.truth.managed_kinds import MANAGED, TEMPLATES
from e2e.truth.objects import CANARIES, CONFIG_MAPS, OLD_SPLITS, SPLITS
from e2e.truth.playable import HOLD, Edit, JsonPatch, Kind, labelled

METADATA: tuple[Edit, ...] = (
    {"metadata": {"labels": {"app": "x"}}},
    {"metadata": {"labels": {"app": "y", "tier": None}}},
    {"metadata": {"labels": {"app": None}}},
    {"metadata": {"labels": {"app": "not a label!"}}},
    {"metadata": {"annotations": {"e2e.test/a": "1"}}},
    {"metadata": {"annotations": {"e2e.test/a": None}}},
    {"metadata": {"finalizers": [HOLD]}},
    {"metadata": {"finalizers": [HOLD, "e2e.test/more"]}},
    {"metadata": {"finalizers": None}},
    {"metadata": {"finalizers": None}},
    {"metadata": {"generation": 9}},
    {"metadata": {"managedFields": [{}]}},
    {},
)
JSON_PATCHES: tuple[JsonPatch, ...] = (
    [{"op": "test", "path": "/metadata/labels/app", "value": "x"}, {"op": "remove", "path": "/metadata/labels/app"}],
    [{"op": "add", "path": "/metadata/labels/app", "value": "x"}],
    [{"op": "replace", "path": "/metadata/labels/app", "value": "y"}],
    [{"op": "add", "path": "/metadata/annotations", "value": {"e2e.test/a": "2"}}],
    [{"op": "remove", "path": "/metadata/annotations/e2e.test~1a"}],
    [{"op": "remove", "path": "/metadata/finalizers"}],
    [{"op": "test", "path": "/metadata/generation", "value": 1}, {"op": "add", "path": "/odd", "value": 1}],
)


def _service(name: str) -> Edit:
    ports = [{"name": "http", "port": 80}]
    return {"metadata": {"name": name}, "spec": {"ports": ports}}


def _slice(name: str) -> Edit:
    endpoint = {"addresses": ["10.0.0.1"], "conditions": {"ready": True}}
    ports = [{"name": "http", "port": 80}]
    return {"metadata": {"name": name}, "addressType": "IPv4", "endpoints": [endpoint], "ports": ports}


def _pod(name: str) -> Edit:
    # One that is bound to a node is given time to end.
    bound = {"nodeName": "far"} if name == "other" else {}
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "web", "image": "web:1"}], **bound}}


def _deployment(name: str) -> Edit:
    # No sequence scales to two: who scales to what there is already leaves entries in managedFields that the real
    # server mixes up at random.
    made = objects.deployment(name, replicas=2)
    # A paused one makes no ReplicaSets.
    return {**made, "spec": {**made["spec"], "paused": True}}


def _event(name: str) -> Edit:
    return objects.event("NAMESPACE", name)


_BACKENDS = [{"service": "web-v2", "weight": 50}, {"service": "web-v1", "weight": 50}]
_THIRD = [*_BACKENDS, {"service": "web-v3", "weight": 0}]
_READY = {"type": "Ready", "status": "True", "reason": "Idle", "message": "", "observedGeneration": 1}
_TIMED = {**_READY, "lastTransitionTime": "2026-01-01T00:00:00Z"}

KINDS: tuple[Kind, ...] = (
    Kind(
        (CANARIES,),
        labelled(objects.canary),
        (
            {"spec": {"suspend": True}},
            {"spec": {"suspend": False}},
            {"spec": {"steps": [{"weight": 20}, {"weight": 50}]}},
            {"spec": {"steps": [{"weight": 50}, {"weight": 20}]}},
            {"spec": {"steps": []}},
            {"spec": {"steps": None, "ramp": {"from": 1, "to": 50, "increment": 7, "hold": "1m"}}},
            {"spec": {"backends": {"canary": "web-v3"}}},
            {"spec": {"backends": {"canary": "web-v1"}}},
            {"spec": {"service": {"name": "renamed"}}},
            {"spec": {"progressDeadline": None}},
            {"spec": {"progressDeadline": "forever"}},
            {"spec": {"analysis": {"interval": "10s", "metrics": [{"name": "success-rate", "min": "99"}]}}},
            {"spec": {"analysis": {"metrics": [{"name": "rate"}]}}},
            {"spec": {"analysis": None}},
            {"spec": {"odd": 1}},
            {"spec": {"analysis": {"odd": {"deep": 1}}}},
            {"spec": {"suspend": "yes"}},
            {"spec": None},
            {"status": {"phase": "Idle"}},
            {"metadata": {"annotations": {"canary.delivery/command": "pause"}}},
        ),
        22,
        statuses=(
            {"status": {"phase": "Idle", "observedGeneration": 1}},
            {"status": {"phase": "Progressing", "step": 1, "canaryWeight": 10}},
            {"status": {"conditions": [_READY]}},
            {"status": {"conditions": [_TIMED]}},
            {"status": {"step": "one"}},
            {"status": {"odd": 1}},
            {"status": {"phase": None}},
            {"status": None},
            {"status": {"phase": "Idle"}, "spec": {"suspend": True}, "metadata": {"labels": {"app": "z"}}},
        ),
        json_patches=(
            [{"op": "add", "path": "/spec/steps/-", "value": {"weight": 60}}],
            [{"op": "remove", "path": "/spec/steps"}],
            [{"op": "test", "path": "/spec/suspend", "value": False}, {"op": "remove", "path": "/spec/suspend"}],
            [
                {"op": "test", "path": "/metadata/annotations/canary.delivery~1command", "value": "pause"},
                {"op": "remove", "path": "/metadata/annotations/canary.delivery~1command"},
            ],
        ),
    ),
    Kind(
        (SPLITS, *OLD_SPLITS),
        labelled(objects.split),
        (
            {"spec": {"backends": _BACKENDS}},
            {"spec": {"backends": _THIRD}},
            {"spec": {"backends": [{"service": "web-v1", "weight": -1}]}},
            {"spec": {"backends": [{"service": "web-v1", "weight": "500m"}]}},
            {"spec": {"backends": [{"service": "web-v1"}]}},
            {"spec": {"backends": None}},
            {"spec": {"service": "renamed"}},
            {"spec": {"matches": [{"kind": "HTTPRouteGroup", "name": "x"}]}},
            {"spec": {"matches": [{"kind": "Other", "name": "x"}]}},
            {"spec": {"odd": 1}},
            {"odd": 1},
        ),
        22,
        json_patches=(
            [{"op": "replace", "path": "/spec/backends/0/weight", "value": 30}],
            [{"op": "remove", "path": "/spec/backends/1"}],
        ),
    ),
    Kind(
        (SERVICES,),
        labelled(_service),
        (
            {"spec": {"ports": [{"name": "http", "port": 81}]}},
            {"spec": {"ports": [{"name": "http", "port": 80}, {"name": "more", "port": 82}]}},
            {"spec": {"ports": [{"port": 80}, {"port": 82}]}},
            {"spec": {"ports": None}},
            {"spec": {"selector": {"app": "x"}}},
            {"spec": {"sessionAffinity": "ClientIP"}},
            {"spec": {"ports": "http"}},
            {"spec": {"odd": 1}},
        ),
        8,
    ),
    Kind(
        (ENDPOINT_SLICES,),
        labelled(_slice),
        (
            {"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": False}}]},
            {"endpoints": [{"addresses": ["10.0.0.2"]}]},
            {"endpoints": None},
            {"ports": [{"name": "http", "port": 8080}]},
            {"addressType": "IPv6"},
            {"endpoints": "none"},
            {"odd": 1},
            {"odd": 1},
        ),
        7,
    ),
    Kind(
        (PODS,),
        labelled(_pod),
        (
            {"spec": {"containers": [{"name": "web", "image": "web:2"}]}},
            {"spec": {"containers": [{"name": "other", "image": "web:2"}]}},
            {"spec": {"containers": "web"}},
            {"spec": {"odd": 1}},
        ),
        12,
        statuses=(
            {"status": {"phase": "Running"}},
            {"status": {"phase": "Succeeded"}},
            {"status": {"podIP": "10.0.0.1"}},
            {"status": {"podIP": "10.0.0.2"}},
            {"status": {"podIP": None}},
            {"status": {"message": "slow"}, "spec": {"odd": 1}},
            {"status": {"message": "held"}, "metadata": {"labels": {"app": "y"}, "finalizers": [HOLD]}},
        ),
    ),
    Kind(
        (DEPLOYMENTS,),
        labelled(_deployment),
        (
            {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}},
            {"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}},
            {"spec": {"selector": {"matchLabels": {"app": "other-app"}}}},
            {"spec": {"minReadySeconds": 5}},
            {"spec": {"replicas": "3"}},
            {"spec": {"odd": 1}},
            *TEMPLATES,
        ),
        12,
    ),
    Kind(
        (LEASES,),
        labelled(objects.lease),
        (
            {"spec": {"holderIdentity": "b", "leaseTransitions": 1}},
            {"spec": {"holderIdentity": "a", "renewTime": "2026-01-01T00:00:05.000000Z"}},
            {"spec": {"holderIdentity": ""}},
            {"spec": {"holderIdentity": None}},
            {"spec": {"leaseDurationSeconds": 0}},
            {"spec": {"leaseDurationSeconds": "x"}},
            {"spec": {"odd": 1}},
        ),
        9,
    ),
    Kind(
        (EVENTS,),
        labelled(_event),
        (
            {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:05.000000Z"}},
            {"series": {"count": 3, "lastObservedTime": "2026-01-01T00:00:09.000000Z"}},
            {"series": {"count": 0}},
            {"series": None},
            {"note": "weight 10"},
            {"reason": ""},
            {"type": "Other"},
            {"odd": 1},
            {"odd": 1},
        ),
        8,
    ),
    Kind((NAMESPACES,), lambda name: {"metadata": {"name": name}}, ({"spec": {"odd": 1}},), 9),
    Kind(
        (CONFIG_MAPS,),
        labelled(objects.config_map),
        (
            {"data": {"key": "other"}},
            {"data": {"more": "x"}},
            {"data": {"key": None}},
            {"data": None},
            {"data": {"key": 1}},
            {"immutable": True},
            {"odd": 1},
            {"odd": 1},
        ),
        9,
    ),
    *MANAGED,
)
