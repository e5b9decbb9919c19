"""Creating, replacing, generations and the status subresource."""

from __future__ import annotations

from canary.kube.resources import DEPLOYMENTS, EVENTS, LEASES, NAMESPACES, SERVICES, Resource
from e2e.truth.objects import (
    CANARIES,
    CONFIG_MAPS,
    SPLITS,
    canary,
    changed,
    config_map,
    deployment,
    event,
    lease,
    relabelled,
    service,
    split,
)
from e2e.truth.probe import Probe


async def creating(probe: Probe) -> None:
    await probe.create("a canary gets its defaults", CANARIES, canary())
    await probe.create("again", CANARIES, canary())
    await probe.create("a split", SPLITS, split(labels={"a": "b"}, annotations={"c": "d"}))
    await probe.create("a lease", LEASES, lease())
    await probe.create("an event", EVENTS, event(probe.namespace))
    await probe.create("an event about another namespace", EVENTS, event("elsewhere", "web.2"))
    await probe.create("a config map", CONFIG_MAPS, config_map())
    await probe.create("a service gets its defaults", SERVICES, service(), compare=lambda s: s["spec"])
    await probe.create("a deployment gets its defaults", DEPLOYMENTS, deployment(), compare=lambda d: d["spec"])
    await probe.get("read", CANARIES, "web")
    await probe.get("what is not there", CANARIES, "other")
    await probe.get("the namespace", NAMESPACES, probe.namespace, compare=lambda n: (n["spec"], n["status"]))


async def creating_what_is_wrong(probe: Probe) -> None:
    path = probe.path(CANARIES)
    await probe.create("no name", CANARIES, {"spec": canary()["spec"]})
    await probe.create("a bad name", CANARIES, canary("Web_1"))
    await probe.create("another kind", CANARIES, {**canary(), "kind": "Other"})
    await probe.create("another version", CANARIES, {**canary(), "apiVersion": "canary.delivery/v1"})
    await probe.create("another namespace", CANARIES, canary(namespace="elsewhere"))
    await probe.create("a resourceVersion", CANARIES, canary(resourceVersion="5"))
    await probe.create("a bad label", CANARIES, canary(labels={"a": "not a label!"}))
    await probe.create("a bad annotation", CANARIES, canary(annotations={"not a key!": "x"}))
    await probe.create("a number as an annotation", CANARIES, canary(annotations={"a": 1}))
    await probe.create("a bad spec", CANARIES, {**canary(), "spec": {"steps": []}})
    await probe.create("no spec", CANARIES, {"metadata": {"name": "web"}})
    await probe.send("no JSON", "POST", path, b"{")
    await probe.send("a list", "POST", path, b"[]")
    await probe.send("another media type", "POST", path, b"x", content_type="text/plain")
    await probe.send("a missing namespace", "POST", CANARIES.path("nowhere"), {**canary(), **_type(CANARIES)})
    await probe.send("an unknown resource", "POST", path.replace("canaries", "others"), canary())
    await probe.send("a name in the path", "POST", probe.path(CANARIES, "web"), {**canary(), **_type(CANARIES)})


async def unknown_fields(probe: Probe) -> None:
    odd = {**canary(), "spec": {**canary()["spec"], "odd": 1}}
    for validation in ("Ignore", "Warn", "Strict"):
        query = {"fieldValidation": validation, "dryRun": "All"}
        await probe.create(f"{validation} in a canary", CANARIES, odd, query=query)
        strange = {**config_map(), "odd": 1}
        await probe.create(f"{validation} in a config map", CONFIG_MAPS, strange, query=query)
    await probe.create("by default", CANARIES, odd, query={"dryRun": "All"})
    await probe.create("another word", CANARIES, odd, query={"fieldValidation": "Maybe"})


async def dry_runs(probe: Probe) -> None:
    await probe.create("dry", CANARIES, canary(), query={"dryRun": "All"})
    await probe.get("left nothing", CANARIES, "web")
    await probe.create("another word", CANARIES, canary(), query={"dryRun": "Some"})
    await probe.create("wet", CANARIES, canary())
    await probe.patch("a dry patch", CANARIES, "web", {"spec": {"suspend": True}}, query={"dryRun": "All"})
    await probe.delete("a dry deletion", CANARIES, "web", {"dryRun": ["All"]})
    await probe.get("unchanged", CANARIES, "web")


async def replacing(probe: Probe) -> None:
    stored = await probe.create("create", CANARIES, canary())
    same = await probe.replace("the same", CANARIES, "web", stored)
    longer = {**stored["spec"], "suspend": True}
    newer = await probe.replace("a new spec", CANARIES, "web", changed(same, spec=longer))
    await probe.replace("a stale version", CANARIES, "web", changed(same, spec=stored["spec"]))
    await probe.replace("no version", CANARIES, "web", {**_type(CANARIES), **canary()})
    await probe.replace("another uid", CANARIES, "web", relabelled(newer, uid="12345678-0000-4000-8000-000000000000"))
    await probe.replace("another name", CANARIES, "web", relabelled(newer, name="other"))
    await probe.replace("without a uid", CANARIES, "web", relabelled(newer, uid=None, labels={"a": "b"}))
    now = await probe.get("read", CANARIES, "web")
    await probe.replace("what is ours not", CANARIES, "web", relabelled(now, generation=99, creationTimestamp=None))
    await probe.replace("what is not there", CANARIES, "other", relabelled(now, name="other", resourceVersion=None))
    await probe.replace("a bad version", CANARIES, "web", relabelled(now, resourceVersion="x"))
    await probe.create("a config map", CONFIG_MAPS, config_map())
    await probe.replace(
        "that needs no version", CONFIG_MAPS, "web", {**_type(CONFIG_MAPS), **config_map(data={"a": "b"})}
    )
    await probe.create("a lease", LEASES, lease())
    await probe.replace("without a version", LEASES, "canary", {**_type(LEASES), **lease(holder="b")})


async def generations(probe: Probe) -> None:
    stored = await probe.create("create", CANARIES, canary())
    labelled = await probe.replace("labels", CANARIES, "web", relabelled(stored, labels={"a": "b"}))
    paused = await probe.replace("spec", CANARIES, "web", changed(labelled, spec={**stored["spec"], "suspend": True}))
    status = changed(paused, status={"observedGeneration": 2, "phase": "Idle"})
    await probe.replace("status", CANARIES, "web", status, sub="status")
    await probe.create("a split", SPLITS, split())
    await probe.patch("a split's weights", SPLITS, "web", {"spec": split(weight=6)["spec"]})
    await probe.patch("a split's annotation", SPLITS, "web", {"metadata": {"annotations": {"a": "b"}}})
    await probe.create("a lease has none", LEASES, lease())


async def status_subresource(probe: Probe) -> None:
    stored = await probe.create("a status at creation", CANARIES, {**canary(), "status": {"phase": "Idle"}})
    both = changed(stored, spec={**stored["spec"], "suspend": True}, status={"phase": "Promoted"})
    await probe.replace("both by the main resource", CANARIES, "web", both)
    now = await probe.get("read", CANARIES, "web")
    both = relabelled(changed(now, spec=stored["spec"], status={"phase": "Idle"}), labels={"a": "b"})
    now = await probe.replace("both by the status", CANARIES, "web", both, sub="status")
    await probe.replace("a stale status", CANARIES, "web", stored, sub="status")
    await probe.patch("merged", CANARIES, "web", {"status": {"step": 1}, "spec": {"suspend": False}}, sub="status")
    await probe.patch("a bad status", CANARIES, "web", {"status": {"step": "one"}}, sub="status")
    await probe.patch("an unknown field", CANARIES, "web", {"status": {"odd": 1}}, sub="status")
    await probe.send("read by its own path", "GET", probe.path(CANARIES, "web", "status"))
    await probe.create("a split", SPLITS, split())
    await probe.send("that has none", "GET", probe.path(SPLITS, "web", "status"))
    await probe.send("an unknown subresource", "GET", probe.path(CANARIES, "web", "scale"))


async def split_versions(probe: Probe) -> None:
    old = Resource("split.smi-spec.io", "v1alpha1", "trafficsplits", "TrafficSplit")
    middle = Resource("split.smi-spec.io", "v1alpha2", "trafficsplits", "TrafficSplit")
    await probe.create("a quantity", old, split(weight="500m"))
    await probe.get("as v1alpha2", middle, "web")
    await probe.get("as v1alpha4", SPLITS, "web")
    await probe.create("a quantity in v1alpha4", SPLITS, split("other", weight="500m"))
    await probe.create("no weight in v1alpha1", old, split("none", weight=None))
    matched = {**split("matched")["spec"], "matches": [{"kind": "HTTPRouteGroup", "name": "x"}]}
    await probe.create("matches", SPLITS, {"metadata": {"name": "matched"}, "spec": matched})
    seen = await probe.get("matches as v1alpha2", middle, "matched")
    await probe.replace("written back as v1alpha2", middle, "matched", seen)
    await probe.get("matches are lost", SPLITS, "matched")
    await probe.create("a fraction", SPLITS, split("fraction", weight=0.5))
    await probe.create("below 0", SPLITS, split("negative", weight=-1))
    await probe.create(
        "an unserved version", Resource("split.smi-spec.io", "v1", "trafficsplits", "TrafficSplit"), split()
    )


async def names_by_the_server(probe: Probe) -> None:
    obj = canary()
    obj["metadata"] = {"generateName": "web-"}
    stored = await probe.create("generated", CANARIES, obj, compare=lambda o: len(o["metadata"]["name"]))
    probe.note("prefix", stored["metadata"]["name"].startswith("web-"))


async def immutable_fields(probe: Probe) -> None:
    await probe.create("a deployment", DEPLOYMENTS, deployment(), compare=lambda d: d["spec"]["selector"])
    other = {"spec": {"selector": {"matchLabels": {"app": "other"}}}}
    await probe.patch("its selector", DEPLOYMENTS, "web", other)
    await probe.create("a canary", CANARIES, canary())
    await probe.patch("its root", CANARIES, "web", {"spec": {"service": {"name": "other"}}})
    await probe.create("a config map", CONFIG_MAPS, {**config_map(), "immutable": True})
    await probe.patch("its data", CONFIG_MAPS, "web", {"data": {"key": "other"}})


def _type(resource: Resource) -> dict[str, str]:
    return {"apiVersion": resource.api_version, "kind": resource.kind}


SCENARIOS = (
    creating,
    creating_what_is_wrong,
    unknown_fields,
    dry_runs,
    replacing,
    generations,
    status_subresource,
    split_versions,
    names_by_the_server,
    immutable_fields,
)
