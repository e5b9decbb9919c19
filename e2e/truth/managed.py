"""What managed mode reads and writes: templates, their revisions, replicas, autoscalers, budgets and policies."""

from __future__ import annotations

import asyncio
from typing import Any

from canary.kube.resources import DEPLOYMENTS, SERVICES
from e2e.truth.managed_objects import (
    AUTOSCALERS,
    BUDGETS,
    CONTROLLER_REVISIONS,
    NETWORK_POLICIES,
    SECRETS,
    autoscaler,
    budget,
    controller_revision,
    network_policy,
    rich_deployment,
    secret,
)
from e2e.truth.objects import CONFIG_MAPS, changed, config_map, deployment, relabelled, service
from e2e.truth.probe import APPLY, JSON_PATCH, STRATEGIC, Probe, typed
from e2e.truth.removal import OTHER_UID

_DRY = {"dryRun": "All"}


def _spec(obj: Any) -> Any:
    return obj["spec"]


def _kind(obj: Any) -> Any:
    return obj["kind"]


def _named(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}}


async def defaults_of_a_template(probe: Probe) -> None:
    await probe.create("a rich one, dry", DEPLOYMENTS, rich_deployment(), query=_DRY, compare=_spec)
    stored = await probe.create("a rich one", DEPLOYMENTS, rich_deployment(), compare=_spec)
    dry = {"metadata": {"name": "alias"}, "spec": {**stored["spec"]}}
    await probe.create("what was filled in stays as it is", DEPLOYMENTS, dry, query=_DRY, compare=_spec)
    bare: dict[str, Any] = rich_deployment("bare")
    bare["spec"]["template"] = {**bare["spec"]["template"], "spec": {"containers": [{"name": "web", "image": "web"}]}}
    for label, strategy in (
        ("no strategy", {}),
        ("recreate", {"type": "Recreate"}),
        ("a surge", {"rollingUpdate": {"maxSurge": 2}}),
        ("none unavailable", {"rollingUpdate": {"maxUnavailable": 0}}),
        ("both zero", {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}),
        ("both zero percent", {"rollingUpdate": {"maxUnavailable": "0%", "maxSurge": "0%"}}),
        ("no percentage", {"rollingUpdate": {"maxUnavailable": "many"}}),
        ("more than all", {"rollingUpdate": {"maxUnavailable": "101%"}}),
        ("recreate with limits", {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
        ("another strategy", {"type": "Other"}),
    ):
        one = {**bare, "spec": {**bare["spec"], "strategy": strategy}}
        await probe.create(label, DEPLOYMENTS, one, query=_DRY, compare=_spec)
    for label, part in (
        ("a deadline below the ready time", {"progressDeadlineSeconds": 10, "minReadySeconds": 10}),
        ("a negative history", {"revisionHistoryLimit": -1}),
        ("a negative ready time", {"minReadySeconds": -1}),
        ("a selector of nothing", {"selector": {}}),
        ("another selector", {"selector": {"matchLabels": {"app": "other"}}}),
        ("an expression", {"selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}}),
        ("no strategy at all", {"strategy": None}),
        ("no replicas", {"replicas": None}),
    ):
        await probe.create(label, DEPLOYMENTS, {**bare, "spec": {**bare["spec"], **part}}, query=_DRY, compare=_spec)


async def templates_that_are_wrong(probe: Probe) -> None:
    async def create(label: str, container: dict[str, Any] | None = None, **pod: Any) -> None:
        full = deployment()
        first = {**full["spec"]["template"]["spec"]["containers"][0], **(container or {})}
        full["spec"]["template"]["spec"] = {"containers": [first], **pod}
        await probe.create(label, DEPLOYMENTS, full, query=_DRY, compare=_spec)

    await create("no image", {"image": ""})
    await create("no name", {"name": ""})
    await create("a bad name", {"name": "Web_1"})
    await create("two of a name", None, containers=[{"name": "a", "image": "x"}, {"name": "a", "image": "x"}])
    await create("no port", {"ports": [{"containerPort": 0}]})
    await create("a port too high", {"ports": [{"containerPort": 70000}]})
    await create("another protocol", {"ports": [{"containerPort": 80, "protocol": "HTTP"}]})
    await create("another pull policy", {"imagePullPolicy": "Sometimes"})
    await create("runs once", None, restartPolicy="Never")
    await create("another restart policy", None, restartPolicy="Sometimes")
    await create("another DNS policy", None, dnsPolicy="Other")
    await create("a mount of nothing", {"volumeMounts": [{"name": "config", "mountPath": "/x"}]})
    await create("no containers", None, containers=[])
    await create("a variable without a name", {"env": [{"name": ""}]})
    await create("two volumes of a name", None, volumes=[{"name": "a"}, {"name": "a"}])
    await create("more asked than allowed", {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}})
    await create("no quantity", {"resources": {"limits": {"cpu": "much"}}})
    await create("a deadline", None, activeDeadlineSeconds=5)
    await create("labels that do not fit", {}, nodeSelector={"a": "b"})


async def templates_are_replaced(probe: Probe) -> None:
    await _create_deployment(probe, rich_deployment())
    stored = await _settled(probe)
    template, pod = stored["spec"]["template"], stored["spec"]["template"]["spec"]
    newer = {**template, "spec": {**pod, "containers": [{**pod["containers"][0], "image": "web:2"}]}}
    noted = relabelled(stored, annotations={"canary.delivery/revision": "2"})
    whole = changed(noted, spec={**stored["spec"], "template": newer})

    async def replace(label: str, obj: dict[str, Any], **options: Any) -> None:
        await probe.replace(label, DEPLOYMENTS, "web", obj, compare=_template, **options)
        probe.forget_movement()

    await replace("a dry one", whole, query=_DRY)
    await replace("of another uid", relabelled(whole, uid=OTHER_UID))
    await replace("of another version", relabelled(whole, resourceVersion="1"))
    await replace("right", whole)
    await replace("again", whole)
    written = _unversioned(await _settled(probe))
    selector = {**written["spec"], "selector": {"matchLabels": {"app": "web", "more": "x"}}}
    await replace("a selector", changed(written, spec=selector))
    both = {**selector, "template": {**newer, "metadata": {"labels": {"app": "web", "more": "x"}}}}
    await replace("selector and labels", changed(written, spec=both))
    await replace("without a uid", relabelled(written, uid=None, annotations={"a": "2"}))

    async def patch(label: str, patch: Any, **options: Any) -> None:
        await probe.patch(label, DEPLOYMENTS, "web", patch, compare=_template, **options)
        probe.forget_movement()

    await patch("a seq", {"metadata": {"annotations": {"canary.delivery/seq": "7"}}})
    test = {"op": "test", "path": "/spec/replicas", "value": 0}
    await patch(
        "replicas by JSON",
        [test, {"op": "replace", "path": "/spec/replicas", "value": 1}],
        content_type=JSON_PATCH,
    )
    image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:3"}]}}}}
    await patch("strategic", image, content_type=STRATEGIC)


async def _create_deployment(probe: Probe, obj: dict[str, Any]) -> None:
    await probe.create("create", DEPLOYMENTS, obj, compare=_kind)


def _template(obj: Any) -> Any:
    annotations = obj["metadata"].get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if key != "deployment.kubernetes.io/revision"}
    return obj["spec"], obj["metadata"]["generation"], kept


async def _settled(probe: Probe) -> dict[str, Any]:
    """The Deployment, once nothing has changed for a while."""
    last: dict[str, Any] = {}
    for _ in range(40):
        found = await probe.read(DEPLOYMENTS, "web") or {}
        if found == last:
            return found
        last = found
        await asyncio.sleep(0.5)
    return last


def _unversioned(obj: dict[str, Any]) -> dict[str, Any]:
    return relabelled(obj, resourceVersion=None)


async def replicas_are_applied(probe: Probe) -> None:
    """Only `spec.replicas`, by another manager than the user's, with what the object is expected to be."""

    async def apply(label: str, replicas: int, *, force: bool = True, dry: bool = False, **metadata: str) -> None:
        body = {**typed(DEPLOYMENTS), "metadata": {"name": "web", **metadata}, "spec": {"replicas": replicas}}
        query = {"fieldManager": "canary", **({"force": "true"} if force else {}), **(_DRY if dry else {})}
        compare = _replicas_and_owners
        await probe.patch(label, DEPLOYMENTS, "web", body, content_type=APPLY, query=query, compare=compare)
        probe.forget_movement()

    await apply("to what is not there", 1)
    await apply("to what is not there, with a uid", 1, uid=OTHER_UID)
    await apply("to what is not there, with a version", 1, resourceVersion="1")
    user = {**deployment(replicas=1), **typed(DEPLOYMENTS)}
    user["spec"]["paused"] = True
    query = {"fieldManager": "user"}
    await probe.patch("the user's", DEPLOYMENTS, "web", user, content_type=APPLY, query=query, compare=_kind)
    await apply("without force", 3, force=False)
    uid = (await probe.read(DEPLOYMENTS, "web") or {})["metadata"]["uid"]
    await apply("with another uid", 3, uid=OTHER_UID)
    await apply("with another version", 3, resourceVersion="1")
    await apply("dry", 3, dry=True, uid=uid)
    await apply("with force", 3, uid=uid)
    await apply("the same", 3, uid=uid)
    now = (await _settled(probe))["metadata"]["resourceVersion"]
    await apply("with uid and version", 4, uid=uid, resourceVersion=now)
    stale = {**user, "spec": {**user["spec"], "replicas": 1}}
    await probe.patch("the user again", DEPLOYMENTS, "web", stale, content_type=APPLY, query=query, compare=_kind)
    less = {**user, "spec": {key: value for key, value in user["spec"].items() if key != "replicas"}}
    compare = _replicas_and_owners
    await probe.patch("the user without", DEPLOYMENTS, "web", less, content_type=APPLY, query=query, compare=compare)
    probe.forget_movement()
    scale = {"spec": {"replicas": 2}}
    await probe.patch("by scale", DEPLOYMENTS, "web", scale, sub="scale", compare=lambda o: o["spec"])
    await probe.get("after it", DEPLOYMENTS, "web", compare=_replicas_and_owners)
    probe.forget_movement()
    await probe.get("the scale", DEPLOYMENTS, "web/scale", compare=lambda o: (o["spec"], o["status"].get("selector")))
    probe.forget_movement()


def _replicas_and_owners(obj: Any) -> Any:
    kept = ("manager", "operation", "subresource")
    return (
        obj["spec"].get("replicas"),
        obj["metadata"]["generation"],
        sorted(
            tuple(entry.get(name, "") for name in kept)
            for entry in obj["metadata"].get("managedFields", ())
            if entry["manager"] != "kube-controller-manager" and "f:replicas" in entry["fieldsV1"].get("f:spec", {})
        ),
    )


async def controller_revisions(probe: Probe) -> None:
    stored = await probe.create("create", CONTROLLER_REVISIONS, controller_revision())
    await probe.create("again", CONTROLLER_REVISIONS, controller_revision())
    await probe.create("without data", CONTROLLER_REVISIONS, {"metadata": {"name": "empty"}, "revision": 1})
    await probe.create("without a number", CONTROLLER_REVISIONS, {"metadata": {"name": "zero"}, "data": {"a": 1}})
    await probe.create("a negative one", CONTROLLER_REVISIONS, controller_revision("less", revision=-1))
    await probe.create("a list as data", CONTROLLER_REVISIONS, controller_revision("list", data=[1]))
    await probe.create("dry", CONTROLLER_REVISIONS, controller_revision("dry"), query=_DRY)
    await probe.replace("the same", CONTROLLER_REVISIONS, "web", stored)
    await probe.replace("its data", CONTROLLER_REVISIONS, "web", changed(stored, data={"other": 1}))
    await probe.patch("its data by a patch", CONTROLLER_REVISIONS, "web", {"data": {"more": 1}})
    await probe.patch("its number", CONTROLLER_REVISIONS, "web", {"revision": 2})
    await probe.patch("its labels", CONTROLLER_REVISIONS, "web", {"metadata": {"labels": {"a": "b"}}})
    await probe.patch("unknown", CONTROLLER_REVISIONS, "web", {"odd": 1})
    label = {"metadata": {"labels": {"a": "c"}}}
    await probe.patch("strategic", CONTROLLER_REVISIONS, "web", label, content_type=STRATEGIC)
    path = [{"op": "add", "path": "/metadata/annotations", "value": {"a": "1"}}]
    await probe.patch("by JSON", CONTROLLER_REVISIONS, "web", path, content_type=JSON_PATCH)
    await probe.apply("applied", CONTROLLER_REVISIONS, "web", {"revision": 3}, "one", force=True)
    await probe.create("in another order", CONTROLLER_REVISIONS, controller_revision("turned", data={"b": 1, "a": 2}))
    for words, patch in (("into it", {"a": 2}), ("as it was", {}), ("beside it", None)):
        body = {"revision": 4} if patch is None else {"data": patch}
        await probe.patch(f"a patch {words}", CONTROLLER_REVISIONS, "turned", body)
    await probe.apply("no annotations", CONTROLLER_REVISIONS, "turned", _named("turned", annotations={}), "one")
    await probe.apply("no labels", CONTROLLER_REVISIONS, "turned", _named("turned", labels={}), "one")
    await probe.apply("nothing", CONTROLLER_REVISIONS, "turned", {}, "one")
    await probe.send("the list", "GET", probe.path(CONTROLLER_REVISIONS), compare=lambda o: len(o["items"]))
    await probe.delete("delete", CONTROLLER_REVISIONS, "web", {"preconditions": {"uid": stored["metadata"]["uid"]}})


async def autoscalers(probe: Probe) -> None:
    stored = await probe.create("create", AUTOSCALERS, autoscaler())
    bare = {
        "metadata": {"name": "bare"},
        "spec": {"scaleTargetRef": stored["spec"]["scaleTargetRef"], "maxReplicas": 3},
    }
    await probe.create("the least", AUTOSCALERS, bare)
    policy = {"type": "Pods", "value": 1, "periodSeconds": 30}
    for label, spec in (
        ("a behaviour", {"behavior": {"scaleDown": {"policies": [policy]}}}),
        ("a window", {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}, "scaleUp": {}}}),
        ("an empty behaviour", {"behavior": {}}),
        ("an average", {"metrics": [_metric({"type": "AverageValue", "averageValue": "100m"})]}),
        ("no target", {"metrics": [_metric({"type": "Utilization"})]}),
        ("a metric without a source", {"metrics": [{"type": "Resource"}]}),
        ("a target of another sort", {"metrics": [_metric({"type": "Value", "value": 1})]}),
        ("an external one", {"metrics": [_external("queue")]}),
        ("no metrics", {"metrics": []}),
        ("no maximum", {"maxReplicas": None}),
        ("a maximum of none", {"maxReplicas": 0}),
        ("a minimum of none", {"minReplicas": 0}),
        ("less than the minimum", {"maxReplicas": 1}),
        ("no target to scale", {"scaleTargetRef": {"kind": "Deployment", "name": ""}}),
        ("a window too long", {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 3601}}}),
        ("an unknown policy", {"behavior": {"scaleUp": {"policies": [{**policy, "type": "Other"}]}}}),
        ("no policies", {"behavior": {"scaleUp": {"policies": []}}}),
    ):
        await probe.create(label, AUTOSCALERS, autoscaler("dry", **spec), query=_DRY)
    await probe.patch("another minimum", AUTOSCALERS, "web", {"spec": {"minReplicas": 4}})
    await probe.patch("too small a maximum", AUTOSCALERS, "web", {"spec": {"maxReplicas": 3}})
    await probe.patch("its target", AUTOSCALERS, "web", {"spec": {"scaleTargetRef": {"name": "other"}}})
    status = {"status": {"currentReplicas": 2, "desiredReplicas": 3}}
    await probe.patch("its status", AUTOSCALERS, "web", status, sub="status")
    await probe.patch(
        "its spec with the status", AUTOSCALERS, "web", {**status, "spec": {"minReplicas": 1}}, sub="status"
    )
    await probe.patch("no default comes back", AUTOSCALERS, "web", {"spec": {"minReplicas": None, "metrics": None}})
    whole = autoscaler(minReplicas=3)
    await probe.apply("applied", AUTOSCALERS, "web", {"spec": whole["spec"]}, "one", force=True)
    await probe.patch("unknown", AUTOSCALERS, "web", {"spec": {"odd": 1}})


def _metric(target: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _external(name: str) -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": "30"}
    return {"type": "External", "external": {"metric": {"name": name}, "target": target}}


async def budgets(probe: Probe) -> None:
    stored = await probe.create("create", BUDGETS, budget())
    for label, spec in (
        ("a percentage", {"maxUnavailable": "50%"}),
        ("neither", {"minAvailable": None}),
        ("both", {"minAvailable": 1, "maxUnavailable": 1}),
        ("negative", {"minAvailable": -1}),
        ("no number", {"minAvailable": "many"}),
        ("a policy for sick pods", {"minAvailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"}),
        ("another policy", {"minAvailable": 1, "unhealthyPodEvictionPolicy": "Other"}),
        ("every pod", {"minAvailable": 1, "selector": {}}),
        ("no selector", {"minAvailable": 1, "selector": None}),
    ):
        await probe.create(label, BUDGETS, budget("dry", **spec), query=_DRY)
    newer = await probe.patch("a limit", BUDGETS, "web", {"spec": {"minAvailable": 2}})
    selector = {**newer["spec"], "selector": {"matchLabels": {"app": "web-stable"}}}
    await probe.replace("its selector", BUDGETS, "web", changed(newer, spec=selector))
    await probe.replace("a stale one", BUDGETS, "web", changed(stored, spec=selector))
    await probe.replace("without a version", BUDGETS, "web", _unversioned(changed(newer, spec=selector)))
    await probe.patch("unknown", BUDGETS, "web", {"spec": {"odd": 1}})
    status = {"status": {"currentHealthy": 1, "desiredHealthy": 1, "disruptionsAllowed": 0, "expectedPods": 2}}
    await probe.patch("its status", BUDGETS, "web", status, sub="status")
    await probe.apply("applied", BUDGETS, "web", {"spec": budget()["spec"]}, "one", force=True)


async def network_policies(probe: Probe) -> None:
    stored = await probe.create("create", NETWORK_POLICIES, network_policy())
    for label, spec in (
        ("egress", {"egress": [{}]}),
        ("only egress", {"policyTypes": ["Egress"]}),
        ("nobody comes in", {"ingress": []}),
        ("every pod", {"podSelector": {}}),
        ("another type", {"policyTypes": ["Other"]}),
        ("a block", {"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}]}),
    ):
        await probe.create(label, NETWORK_POLICIES, network_policy("dry", **spec), query=_DRY)
    await probe.patch("its pods", NETWORK_POLICIES, "web", {"spec": {"podSelector": {"matchLabels": {"app": "x"}}}})
    await probe.replace("replaced", NETWORK_POLICIES, "web", _unversioned(stored))
    await probe.patch("unknown", NETWORK_POLICIES, "web", {"spec": {"odd": 1}})


async def copies_of_configuration(probe: Probe) -> None:
    frozen = await probe.create("a copy", CONFIG_MAPS, {**config_map(labels={"a": "b"}), "immutable": True})
    await probe.replace("its data", CONFIG_MAPS, "web", changed(frozen, data={"key": "other"}))
    await probe.replace("no longer immutable", CONFIG_MAPS, "web", changed(frozen, immutable=False))
    await probe.patch("bytes", CONFIG_MAPS, "web", {"binaryData": {"b": "eA=="}})
    await probe.patch("its labels", CONFIG_MAPS, "web", {"metadata": {"labels": {"a": "c"}}})
    await probe.create("a bad key", CONFIG_MAPS, config_map("bad", data={"a key": "x"}))
    both = {**config_map("both", data={"b": "x"}), "binaryData": {"b": "eA=="}}
    await probe.create("a key in both", CONFIG_MAPS, both)
    await probe.create("no base64", CONFIG_MAPS, {**config_map("bytes"), "binaryData": {"b": "?"}})
    await probe.create("a secret", SECRETS, secret(immutable=True))
    await probe.patch("its text", SECRETS, "web", {"stringData": {"key": "other"}})
    await probe.apply("applied", SECRETS, "web", {"metadata": {"name": "web", "labels": {"a": "b"}}}, "one", force=True)
    await probe.create("a bad key in a secret", SECRETS, secret("bad", stringData={"a key": "x"}))


async def selectors_of_a_service(probe: Probe) -> None:
    stored = await probe.create("create", SERVICES, service(annotations={"a": "1"}))
    turned = changed(relabelled(stored, annotations={"original": "{}"}), spec={**stored["spec"]})
    turned["spec"]["selector"] = {"app": "web-stable"}
    newer = await probe.replace("another selector", SERVICES, "web", turned)
    await probe.replace("a stale one", SERVICES, "web", turned)
    await probe.replace("of another uid", SERVICES, "web", relabelled(newer, uid=OTHER_UID))
    await probe.patch("a null removes", SERVICES, "web", {"spec": {"selector": {"app": None, "version": "2"}}})
    await probe.patch("no selector", SERVICES, "web", {"spec": {"selector": None}})
    body = {"spec": {"selector": {"app": "web"}}}
    await probe.apply("applied", SERVICES, "web", body, "one", force=True)
    await probe.apply("a conflict", SERVICES, "web", {"spec": {"selector": {"app": "x"}}}, "two")
    await probe.patch("a bad value", SERVICES, "web", {"spec": {"selector": {"app": "not a label!"}}})


async def a_terminating_namespace_refuses_copies(probe: Probe) -> None:
    spaces = "/api/v1/namespaces/" + probe.namespace
    held = {"metadata": {"finalizers": ["e2e.test/hold"]}}
    made = (
        (CONFIG_MAPS, config_map()),
        (CONTROLLER_REVISIONS, controller_revision()),
        (AUTOSCALERS, autoscaler()),
        (BUDGETS, budget()),
        (NETWORK_POLICIES, network_policy()),
        (SECRETS, secret()),
        (SERVICES, service()),
        (DEPLOYMENTS, rich_deployment()),
    )
    for resource, obj in made:
        await probe.create(f"a {resource.kind}", resource, obj, compare=_kind)
    await probe.patch("one is held", CONFIG_MAPS, "web", held, compare=_kind)
    await probe.send("delete", "DELETE", spaces, compare=lambda n: n["status"]["phase"])
    for resource, _ in made[1:]:
        await probe.until_gone(f"the {resource.kind} goes", resource, "web")
    for resource, obj in made[1:]:
        await probe.create(f"no new {resource.kind}", resource, {**obj, "metadata": {"name": "late"}})
    await probe.until("the held one stays", CONFIG_MAPS, "web", lambda o: "deletionTimestamp" in o["metadata"])
    await probe.patch("let go", CONFIG_MAPS, "web", {"metadata": {"finalizers": None}}, compare=_kind)
    await probe.until_gone("the config map", CONFIG_MAPS, "web")


SCENARIOS = (
    defaults_of_a_template,
    templates_that_are_wrong,
    templates_are_replaced,
    replicas_are_applied,
    controller_revisions,
    autoscalers,
    budgets,
    network_policies,
    copies_of_configuration,
    selectors_of_a_service,
    a_terminating_namespace_refuses_copies,
)
