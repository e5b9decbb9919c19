"""Patches of each kind, and who owns which field."""

from __future__ import annotations

from canary.kube.resources import SERVICES
from e2e.truth.objects import CANARIES, CONFIG_MAPS, OLD_SPLITS, SPLITS, canary, config_map, service, split
from e2e.truth.probe import JSON_PATCH, MERGE, STRATEGIC, Probe


async def merge_patches(probe: Probe) -> None:
    stored = await probe.create("create", CANARIES, canary(labels={"a": "1", "b": "2"}))
    await probe.patch("a null removes", CANARIES, "web", {"metadata": {"labels": {"a": None}}})
    await probe.patch("nothing", CANARIES, "web", {})
    await probe.patch("what is so already", CANARIES, "web", {"metadata": {"labels": {"b": "2"}}})
    await probe.patch("a list is replaced", CANARIES, "web", {"spec": {"steps": [{"weight": 20}]}})
    await probe.patch("a default comes back", CANARIES, "web", {"spec": {"progressDeadline": None}})
    version = stored["metadata"]["resourceVersion"]
    await probe.patch("a stale version", CANARIES, "web", {"metadata": {"resourceVersion": version}, "spec": {}})
    await probe.patch("another uid", CANARIES, "web", {"metadata": {"uid": "12345678-0000-4000-8000-000000000000"}})
    await probe.patch("another name", CANARIES, "web", {"metadata": {"name": "other"}})
    await probe.patch("a bad value", CANARIES, "web", {"spec": {"steps": []}})
    await probe.patch("no object", CANARIES, "web", [])
    await probe.patch("no JSON", CANARIES, "web", b"{")
    await probe.patch("what is not there", CANARIES, "other", {"spec": {}})
    await probe.patch("another media type", CANARIES, "web", {}, content_type="application/json")
    await probe.patch("strategic for a custom resource", CANARIES, "web", {}, content_type=STRATEGIC)


async def json_patches(probe: Probe) -> None:
    await probe.create("create", CANARIES, canary(annotations={"canary.delivery/command": "pause", "other": "x"}))
    command = "/metadata/annotations/canary.delivery~1command"

    async def patch(label: str, *operations: object) -> None:
        await probe.patch(label, CANARIES, "web", list(operations), content_type=JSON_PATCH)

    await patch(
        "a test that fails", {"op": "test", "path": command, "value": "other"}, {"op": "remove", "path": command}
    )
    await patch(
        "a test that holds", {"op": "test", "path": command, "value": "pause"}, {"op": "remove", "path": command}
    )
    await patch("a test of what is gone", {"op": "test", "path": command, "value": "pause"})
    await patch("removing what is gone", {"op": "remove", "path": command})
    await patch("replacing what is gone", {"op": "replace", "path": command, "value": "x"})
    await patch("adding", {"op": "add", "path": command, "value": "x"})
    await patch("adding below nothing", {"op": "add", "path": "/metadata/labels/a", "value": "x"})
    await patch("appending", {"op": "add", "path": "/spec/steps/-", "value": {"weight": 20}})
    await patch("inserting", {"op": "add", "path": "/spec/steps/0", "value": {"weight": 1}})
    await patch("an index too far", {"op": "replace", "path": "/spec/steps/9", "value": {"weight": 1}})
    await patch("moving", {"op": "move", "from": command, "path": "/metadata/annotations/moved"})
    await patch("copying", {"op": "copy", "from": "/metadata/annotations/moved", "path": "/metadata/annotations/b"})
    await patch("an unknown operation", {"op": "turn", "path": command})
    await patch("nothing")
    await probe.patch("an object", CANARIES, "web", {"op": "remove"}, content_type=JSON_PATCH)


async def applying(probe: Probe) -> None:
    spec = split()["spec"]
    await probe.apply("creates", SPLITS, "web", {"spec": spec}, "one")
    await probe.apply("the same", SPLITS, "web", {"spec": spec}, "one")
    heavier = split(weight=50)["spec"]
    await probe.apply("another's field", SPLITS, "web", {"spec": heavier}, "two")
    await probe.apply("the same value is shared", SPLITS, "web", {"spec": spec}, "two")
    await probe.apply("by force", SPLITS, "web", {"spec": heavier}, "two", force=True)
    await probe.apply("the first comes back", SPLITS, "web", {"spec": spec}, "one")
    await probe.patch("a merge patch owns, too", SPLITS, "web", {"spec": spec}, query={"fieldManager": "three"})
    await probe.apply("against the merge patch", SPLITS, "web", {"spec": heavier}, "two")
    path = probe.path(SPLITS, "web")
    whole = {"apiVersion": SPLITS.api_version, "kind": "TrafficSplit", "metadata": {"name": "web"}, "spec": spec}
    kind = "application/apply-patch+yaml"
    await probe.send("without a manager", "PATCH", path, whole, content_type=kind)
    await probe.send(
        "with managed fields",
        *("PATCH", path, {**whole, "metadata": {"name": "web", "managedFields": [{}]}}),
        content_type=kind,
        query={"fieldManager": "one"},
    )
    await probe.send("force without apply", "PATCH", path, {}, content_type=MERGE, query={"force": "true"})


async def applying_metadata(probe: Probe) -> None:
    async def apply(label: str, manager: str, **metadata: object) -> None:
        await probe.apply(label, CONFIG_MAPS, "web", {"metadata": {"name": "web", **metadata}}, manager)

    await apply("labels", "one", labels={"a": "1", "b": "2"})
    await apply("one less is removed", "one", labels={"a": "1"})
    await apply("another's", "two", labels={"c": "3"})
    await apply("none is left of the first", "one")
    await apply("with finalizers", "one", finalizers=["e2e.test/a"])
    await apply("more finalizers", "two", finalizers=["e2e.test/b"])
    await apply("finalizers of one", "one")


async def applying_a_canary(probe: Probe) -> None:
    metrics = {"analysis": {"metrics": [{"name": "rate", "min": "99"}]}}
    spec = canary()["spec"]
    await probe.apply("with one metric", CANARIES, "web", {"spec": {**spec, **metrics}}, "one")
    other = {"analysis": {"metrics": [{"name": "latency", "quantile": "p99", "max": "1s"}]}}
    await probe.apply("another metric joins", CANARIES, "web", {"spec": other}, "two")
    await probe.apply("its own metric goes", CANARIES, "web", {"spec": spec}, "one")
    await probe.apply("steps are one value", CANARIES, "web", {"spec": {"steps": [{"weight": 50}]}}, "two")
    status = {"status": {"phase": "Idle", "conditions": [{"type": "Ready", "status": "True"}]}}
    await probe.apply("status", CANARIES, "web", status, "controller", sub="status")
    second = {"status": {"conditions": [{"type": "Paused", "status": "False"}]}}
    await probe.apply("another's condition", CANARIES, "web", second, "other", sub="status")
    await probe.apply("a bad spec", CANARIES, "web", {"spec": {"steps": []}}, "one", force=True)
    await probe.apply("an unknown field", CANARIES, "web", {"spec": {**spec, "odd": 1}}, "three", force=True)


async def managers_of_other_writes(probe: Probe) -> None:
    stored = await probe.create("created", CONFIG_MAPS, config_map(), query={"fieldManager": "one"})
    newer = {**stored, "data": {"key": "other", "more": "x"}}
    stored = await probe.replace("replaced", CONFIG_MAPS, "web", newer, query={"fieldManager": "two"})
    await probe.replace("the same again", CONFIG_MAPS, "web", stored, query={"fieldManager": "three"})
    await probe.patch("patched", CONFIG_MAPS, "web", {"data": {"more": None}}, query={"fieldManager": "two"})
    await probe.replace(
        "managed fields reset",
        CONFIG_MAPS,
        "web",
        {**newer, "metadata": {"name": "web", "managedFields": [{}]}},
        query={"fieldManager": "four"},
    )


async def claims_that_are_let_go(probe: Probe) -> None:
    """A client takes an entry, or a part of it, out of managedFields; what is no list of entries changes nothing."""
    ours = {"fieldManager": "canary-controller"}
    made = await probe.apply("applied", SERVICES, "web", service(), "helm")
    turned = {**made, "metadata": {**made["metadata"], "annotations": {"a": "b"}}}
    turned["spec"] = {**made["spec"], "selector": {"app": "other"}}
    stored = await probe.replace("another's selector", SERVICES, "web", turned, query=ours)
    await probe.apply("a conflict", SERVICES, "web", service(), "helm")
    entries = stored["metadata"]["managedFields"]
    annotated = {"f:metadata": {"f:annotations": {".": {}, "f:a": {}}}}
    fewer = [{**e, "fieldsV1": annotated} if e["manager"] == "canary-controller" else e for e in entries]

    async def patch(label: str, managers: object, **metadata: object) -> None:
        body = {"metadata": {**metadata, "managedFields": managers}}
        await probe.patch(label, SERVICES, "web", body, query=ours)

    await patch("of another version", fewer, resourceVersion=made["metadata"]["resourceVersion"])
    await patch("let go", fewer, resourceVersion=stored["metadata"]["resourceVersion"])
    await patch("let go already", fewer)
    await patch("in another order", fewer[::-1])
    await patch("with a value beside it", [*fewer], labels={"c": "d"})
    await probe.apply("no conflict any more", SERVICES, "web", service(), "helm")
    await patch("an entry without an operation", [{**fewer[0], "operation": ""}])
    await patch("an entry of another operation", [{**fewer[0], "operation": "Guess"}])
    await patch("fields of another type", [{**fewer[0], "fieldsType": "FieldsV2"}])
    await patch("fields without a type", [{**fewer[0], "fieldsType": ""}])
    await patch("fields that are none", [{**fewer[0], "fieldsV1": {"x:y": {}}}])
    await patch("an entry without fields", [{**fewer[0], "fieldsV1": {}}])
    await patch("no entry", [])
    await patch("one entry alone", [e for e in entries if e["manager"] == "helm"])
    await probe.apply("nobody's field is applied", SERVICES, "web", service("web", labels={"a": "b"}), "kubectl")


async def managers_of_several_versions(probe: Probe) -> None:
    """Each is asked in its own version, which may not know what another has written."""
    oldest, older, _ = OLD_SPLITS
    matches = [{"kind": "HTTPRouteGroup", "name": "x"}]
    newer = split()
    newer["spec"]["matches"] = matches
    await probe.create("through an old version", older, split())
    await probe.apply("what is new is applied", SPLITS, "web", newer, "one")
    await probe.apply("by force", SPLITS, "web", newer, "one", force=True)
    await probe.apply("what is old is applied", SPLITS, "web", split(), "one", force=True)
    await probe.patch("what is new is written", SPLITS, "web", {"spec": {"matches": matches}})
    await probe.patch("nobody is known from then on", SPLITS, "web", {"metadata": {"labels": {"a": "b"}}})
    await probe.apply("but who applies", SPLITS, "web", newer, "one")
    await probe.create("a weight that is no number later", oldest, split("text", weight="500m"))
    await probe.apply("a number", SPLITS, "text", split("text"), "one", force=True)
    await probe.patch("its label", SPLITS, "text", {"metadata": {"labels": {"a": "b"}}})


async def strategic_patches(probe: Probe) -> None:
    await probe.create("create", SERVICES, service(), compare=lambda s: s["spec"]["ports"])
    port = {"spec": {"ports": [{"port": 81, "name": "more"}]}}
    await probe.patch(
        "ports merge by number", SERVICES, "web", port, content_type=STRATEGIC, compare=lambda s: s["spec"]["ports"]
    )
    gone = {"spec": {"ports": [{"port": 80, "$patch": "delete"}]}}
    await probe.patch(
        "one is deleted", SERVICES, "web", gone, content_type=STRATEGIC, compare=lambda s: s["spec"]["ports"]
    )
    selector = {"spec": {"selector": {"app": None, "version": "2"}}}
    await probe.patch(
        "a map merges", SERVICES, "web", selector, content_type=STRATEGIC, compare=lambda s: s["spec"]["selector"]
    )


SCENARIOS = (
    merge_patches,
    json_patches,
    applying,
    applying_metadata,
    applying_a_canary,
    managers_of_other_writes,
    claims_that_are_let_go,
    managers_of_several_versions,
    strategic_patches,
)
