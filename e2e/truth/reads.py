"""Lists, watches, tables and discovery."""

from __future__ import annotations

from typing import Any

from e2e.truth.objects import CANARIES, CONFIG_MAPS, SPLITS, canary, config_map, split
from e2e.truth.probe import TABLE, Probe


async def lists(probe: Probe) -> None:
    for name, labels in (("a", {"app": "x", "tier": "1"}), ("b", {"app": "x"}), ("c", {"app": "y"}), ("d", {})):
        await probe.create(name, CANARIES, canary(name, labels=labels), compare=_name)
    path = probe.path(CANARIES)
    for selector in (
        *("app=x", "app==x", "app!=x", "app", "!app", "app in (x, y)", "app notin (x)", "app=x,tier", "app=x,!tier"),
        *("app=", "app in ()", "=x", "app=x,", "a b", "app in (x", "tier>0"),
    ):
        await probe.send(f"labels {selector}", "GET", path, query={"labelSelector": selector}, compare=_names)
    for selector in ("metadata.name=a", "metadata.name!=a", "metadata.namespace=nowhere", "spec.suspend=true", "x"):
        await probe.send(f"fields {selector}", "GET", path, query={"fieldSelector": selector}, compare=_names)
    first = await probe.send("a page", "GET", path, query={"limit": "3"}, compare=_page)
    rest = {"limit": "3", "continue": first["metadata"]["continue"]}
    await probe.send("the rest", "GET", path, query=rest, compare=_page)
    await probe.send("a token that is none", "GET", path, query={"continue": "x"})
    version = first["metadata"]["resourceVersion"]
    for query in (
        {"resourceVersion": "0"},
        {"resourceVersion": version},
        {"resourceVersion": version, "resourceVersionMatch": "Exact"},
        {"resourceVersion": version, "resourceVersionMatch": "NotOlderThan"},
        {"resourceVersionMatch": "Exact"},
        {"resourceVersion": "x"},
    ):
        label = " ".join(query) + (" 0" if query.get("resourceVersion") == "0" else "")
        await probe.send(label, "GET", path, query=query, compare=_names)
    await probe.send("an empty list", "GET", probe.path(SPLITS))
    await probe.send("a whole list", "GET", path, query={"fieldSelector": "metadata.name=a"})
    await probe.send("a missing namespace", "GET", CANARIES.path("nowhere"), compare=_names)


async def watches(probe: Probe) -> None:
    listing = await probe.send("list", "GET", probe.path(CANARIES))
    since = {"resourceVersion": listing["metadata"]["resourceVersion"]}
    await probe.create("create", CANARIES, canary(labels={"app": "x"}), compare=_name)
    await probe.patch("patch", CANARIES, "web", {"spec": {"suspend": True}}, compare=_name)
    await probe.patch("the same", CANARIES, "web", {"spec": {"suspend": True}}, compare=_name)
    await probe.patch("status", CANARIES, "web", {"status": {"phase": "Idle"}}, sub="status", compare=_name)
    await probe.patch("leaves the selection", CANARIES, "web", {"metadata": {"labels": {"app": "y"}}}, compare=_name)
    await probe.patch("comes back", CANARIES, "web", {"metadata": {"labels": {"app": "x"}}}, compare=_name)
    await probe.patch("held", CANARIES, "web", {"metadata": {"finalizers": ["e2e.test/hold"]}}, compare=_name)
    await probe.delete("delete", CANARIES, "web", compare=_name)
    await probe.patch("let go", CANARIES, "web", {"metadata": {"finalizers": None}}, compare=_name)
    await probe.create("the end", CANARIES, canary("end", labels={"app": "x"}), compare=_name)
    await probe.watch("every event", CANARIES, since, last="end")
    await probe.watch("of a selection", CANARIES, {**since, "labelSelector": "app=x"}, last="end")
    await probe.watch("of the others", CANARIES, {**since, "labelSelector": "app!=x"}, last="web")
    await probe.watch("of one name", CANARIES, {**since, "fieldSelector": "metadata.name=end"}, last="end")
    await probe.watch("without a version", CANARIES, {}, last="end")
    await probe.watch("version 0", CANARIES, {"resourceVersion": "0"}, last="end")
    streaming = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    await probe.watch("a streaming list", CANARIES, streaming, last="")
    await probe.watch("a streaming list of nothing", SPLITS, streaming, last="")
    await probe.watch("a streaming list without a match", CANARIES, {"sendInitialEvents": "true"}, last="")
    await probe.watch("a bad version", CANARIES, {"resourceVersion": "x"}, last="end")
    await probe.watch("a bad selector", CANARIES, {"labelSelector": "a b"}, last="end")


async def tables(probe: Probe) -> None:
    await probe.create("create", CANARIES, canary(), compare=_name)
    conditions = [{"type": "Ready", "status": "True"}]
    status = {"status": {"phase": "Progressing", "canaryWeight": 10, "step": 1, "conditions": conditions}}
    await probe.patch("status", CANARIES, "web", status, sub="status", compare=_name)
    await probe.create("one without a status", CANARIES, canary("new"), compare=_name)
    await probe.create("a split", SPLITS, split(), compare=_name)
    await probe.create("a config map", CONFIG_MAPS, config_map(), compare=_name)
    await probe.send("canaries", "GET", probe.path(CANARIES), accept=TABLE, compare=_table)
    await probe.send("one canary", "GET", probe.path(CANARIES, "web"), accept=TABLE, compare=_table)
    await probe.send("splits", "GET", probe.path(SPLITS), accept=TABLE, compare=_table)
    query = {"includeObject": "Object"}
    await probe.send("with objects", "GET", probe.path(CANARIES), accept=TABLE, query=query, compare=_row_kinds)
    query = {"includeObject": "None"}
    await probe.send("without objects", "GET", probe.path(CANARIES), accept=TABLE, query=query, compare=_row_kinds)


async def discovery(probe: Probe) -> None:
    for resource in (CANARIES, SPLITS):
        await probe.send(resource.group_path, "GET", resource.group_path, compare=_resources)
        await probe.send(f"group {resource.group}", "GET", f"/apis/{resource.group}", compare=_group)
    await probe.send("an unknown group", "GET", "/apis/nothing.example")
    await probe.send("an unknown version", "GET", "/apis/canary.delivery/v9")
    await probe.send("a wrong method", "PUT", probe.path(CANARIES), {})
    await probe.send(
        "a patch of a list", "PATCH", probe.path(CANARIES), {}, content_type="application/merge-patch+json"
    )
    await probe.send("the version", "GET", "/version", compare=_version)
    for path in ("/livez", "/readyz", "/healthz"):
        await probe.send(path, "GET", path)


def _name(obj: dict[str, Any]) -> Any:
    return obj.get("metadata", {}).get("name")


def _names(listing: dict[str, Any]) -> list[str]:
    return sorted(item["metadata"]["name"] for item in listing["items"])


def _page(listing: dict[str, Any]) -> Any:
    metadata = listing["metadata"]
    return _names(listing), bool(metadata.get("continue")), metadata.get("remainingItemCount")


def _group(group: dict[str, Any]) -> Any:
    return group["name"], group["versions"], group["preferredVersion"]


def _resources(listing: dict[str, Any]) -> Any:
    rows = [{**row, "verbs": sorted(row["verbs"])} for row in listing["resources"]]
    return {**listing, "resources": [{k: v for k, v in row.items() if k != "storageVersionHash"} for row in rows]}


def _version(version: dict[str, Any]) -> list[str]:
    return sorted(version.keys() & {"gitVersion", "major", "minor"})


def _table(table: dict[str, Any]) -> Any:
    columns = [(c["name"], c["type"], c["priority"], c["format"]) for c in table["columnDefinitions"]]
    ages = {index for index, column in enumerate(columns) if column[0] == "Age"}
    rows = [[cell for index, cell in enumerate(row["cells"]) if index not in ages] for row in table["rows"]]
    return table["kind"], table["apiVersion"], columns, rows


def _row_kinds(table: dict[str, Any]) -> list[str]:
    return [(row.get("object") or {}).get("kind", "") for row in table["rows"]]


SCENARIOS = (lists, watches, tables, discovery)
