"""Deletion: preconditions, finalizers, and what happens to dependents."""

from __future__ import annotations

from canary.kube.resources import Resource
from e2e.truth.objects import CANARIES, CONFIG_MAPS, SPLITS, canary, config_map, owner, relabelled, split
from e2e.truth.probe import JSON_PATCH, Probe

FINALIZER = "e2e.test/hold"
OTHER_UID = "12345678-0000-4000-8000-000000000000"


async def deleting(probe: Probe) -> None:
    stored = await probe.create("create", CANARIES, canary())
    await probe.delete("another uid", CANARIES, "web", {"preconditions": {"uid": OTHER_UID}})
    await probe.delete("another version", CANARIES, "web", {"preconditions": {"resourceVersion": "1"}})
    await probe.delete("an unknown policy", CANARIES, "web", {"propagationPolicy": "Sideways"})
    await probe.delete("the right uid", CANARIES, "web", {"preconditions": {"uid": stored["metadata"]["uid"]}})
    await probe.get("gone", CANARIES, "web")
    await probe.delete("again", CANARIES, "web")
    await probe.create("a config map", CONFIG_MAPS, config_map())
    await probe.delete("without a body", CONFIG_MAPS, "web")


async def finalizers(probe: Probe) -> None:
    await probe.create("create", CANARIES, canary(finalizers=[FINALIZER]))
    await probe.delete("marks", CANARIES, "web")
    await probe.delete("again", CANARIES, "web")
    stored = await probe.get("still there", CANARIES, "web")
    await probe.patch("its spec may change", CANARIES, "web", {"spec": {"suspend": True}})
    await probe.patch("its status may change", CANARIES, "web", {"status": {"phase": "Idle"}}, sub="status")
    more = {"metadata": {"finalizers": [FINALIZER, "e2e.test/more"]}}
    await probe.patch("no finalizer is added", CANARIES, "web", more)
    await probe.replace("it is not called back", CANARIES, "web", relabelled(stored, deletionTimestamp=None))
    await probe.create("its name is taken", CANARIES, canary())
    remove = [
        {"op": "test", "path": "/metadata/finalizers/0", "value": FINALIZER},
        {"op": "remove", "path": "/metadata/finalizers/0"},
    ]
    await probe.patch("the last finalizer goes", CANARIES, "web", remove, content_type=JSON_PATCH)
    await probe.get("and the object", CANARIES, "web")
    await probe.create("a bad finalizer", CANARIES, canary(finalizers=["not a finalizer!"]))


async def _family(probe: Probe, **reference: object) -> None:
    parent = await probe.create("a parent", CANARIES, canary())
    child = owner(CANARIES, parent, **reference)
    await probe.create("a child", SPLITS, split(ownerReferences=[child]), compare=lambda o: o["kind"])


async def background_deletion(probe: Probe) -> None:
    await _family(probe)
    await probe.delete("the parent goes at once", CANARIES, "web", {"propagationPolicy": "Background"})
    await probe.get("the parent", CANARIES, "web")
    await probe.until_gone("the child follows", SPLITS, "web")


async def default_deletion(probe: Probe) -> None:
    await _family(probe, controller=True)
    await probe.delete("without a policy", CANARIES, "web")
    await probe.until_gone("the child follows", SPLITS, "web")


async def foreground_deletion(probe: Probe) -> None:
    await _family(probe, blockOwnerDeletion=True)
    await probe.patch("the child is held", SPLITS, "web", {"metadata": {"finalizers": [FINALIZER]}})
    await probe.delete("the parent waits", CANARIES, "web", {"propagationPolicy": "Foreground"})
    await probe.until("the child goes first", SPLITS, "web", lambda o: "deletionTimestamp" in o["metadata"])
    await probe.get("the parent is still there", CANARIES, "web")
    await probe.patch("the child is let go", SPLITS, "web", {"metadata": {"finalizers": None}})
    await probe.until_gone("the child", SPLITS, "web")
    await probe.until_gone("the parent", CANARIES, "web")


async def foreground_deletion_without_blocking(probe: Probe) -> None:
    await _family(probe)
    await probe.patch("the child is held", SPLITS, "web", {"metadata": {"finalizers": [FINALIZER]}})
    await probe.delete("foreground", CANARIES, "web", {"propagationPolicy": "Foreground"})
    await probe.until_gone("the parent need not wait", CANARIES, "web")
    await probe.until("the child goes", SPLITS, "web", lambda o: "deletionTimestamp" in o["metadata"])
    await probe.patch("the child is let go", SPLITS, "web", {"metadata": {"finalizers": None}})


async def foreground_deletion_with_a_finalizer(probe: Probe) -> None:
    """How Argo CD deletes: dependents go at once, whatever the parent's own finalizer waits for."""
    await _family(probe, blockOwnerDeletion=True)
    await probe.patch("the parent is held", CANARIES, "web", {"metadata": {"finalizers": [FINALIZER]}})
    await probe.delete("foreground", CANARIES, "web", {"propagationPolicy": "Foreground"})
    await probe.until_gone("the child goes at once", SPLITS, "web")
    await probe.until("one finalizer is left", CANARIES, "web", lambda o: o["metadata"]["finalizers"] == [FINALIZER])
    await probe.patch("let go", CANARIES, "web", {"metadata": {"finalizers": None}})
    await probe.until_gone("the parent", CANARIES, "web")


async def orphaning(probe: Probe) -> None:
    await _family(probe, controller=True)
    await probe.delete("orphan", CANARIES, "web", {"propagationPolicy": "Orphan"})
    await probe.until_gone("the parent", CANARIES, "web")
    await probe.until("the child has no owner", SPLITS, "web", lambda o: "ownerReferences" not in o["metadata"])


async def owners_that_are_not_there(probe: Probe) -> None:
    parent = await probe.create("a parent", CANARIES, canary())
    gone = {**owner(CANARIES, parent), "uid": OTHER_UID}
    await probe.create("of another uid", SPLITS, split(ownerReferences=[gone]), compare=lambda o: o["kind"])
    await probe.until_gone("is collected", SPLITS, "web")
    two = [owner(CANARIES, parent), gone]
    await probe.create("one of two", SPLITS, split(ownerReferences=two), compare=lambda o: o["kind"])
    await probe.until("keeps the other", SPLITS, "web", lambda o: len(o["metadata"]["ownerReferences"]) == 1)
    controllers = [owner(CANARIES, parent, controller=True), {**gone, "controller": True}]
    await probe.create("two controllers", SPLITS, split("two", ownerReferences=controllers))


async def deleting_many(probe: Probe) -> None:
    for name in ("a", "b", "c"):
        labels = {"keep": "no" if name != "c" else "yes"}
        await probe.create(name, CONFIG_MAPS, config_map(name, labels=labels), compare=lambda o: o["kind"])
    path = probe.path(CONFIG_MAPS)
    await probe.send("some", "DELETE", path, query={"labelSelector": "keep=no"}, compare=lambda o: o["kind"])
    for name in ("a", "b", "c"):
        await probe.get(f"{name} after it", CONFIG_MAPS, name)


async def a_namespace(probe: Probe) -> None:
    spaces = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
    await probe.create("held", CANARIES, canary(finalizers=[FINALIZER]))
    await probe.create("free", CONFIG_MAPS, config_map())
    await probe.send("delete", "DELETE", spaces.path(None, probe.namespace), compare=lambda n: n["status"]["phase"])
    await probe.until("the held one is asked to go", CANARIES, "web", lambda o: "deletionTimestamp" in o["metadata"])
    await probe.until_gone("the free one goes", CONFIG_MAPS, "web")
    await probe.create("nothing new", CONFIG_MAPS, config_map("late"))
    await probe.patch("let go", CANARIES, "web", {"metadata": {"finalizers": None}})
    await probe.until_gone("the namespace", spaces, probe.namespace)


SCENARIOS = (
    deleting,
    finalizers,
    background_deletion,
    default_deletion,
    foreground_deletion,
    foreground_deletion_without_blocking,
    foreground_deletion_with_a_finalizer,
    orphaning,
    owners_that_are_not_there,
    deleting_many,
    a_namespace,
)
