"""`canary get`."""

from __future__ import annotations

import asyncio
import json

import yaml

from canary.cli.get import get, watch
from canary.cli.listing import Format


def test_the_table_has_the_columns_of_the_resource(in_world, status):
    async def test(world):
        await world.create()
        await world.create({}, name="new")
        assert await world.code(get(world.session(), "", everywhere=False, form=None)) == 0
        return world.out.getvalue()

    assert in_world(test) == (
        "NAME      READY     PHASE         WEIGHT   STEP   REVISION          AGE\n"
        "new       -         -             -        -      -                 0s\n"
        "podinfo   Unknown   Progressing   25%      2/4    podinfo-v2:77de   0s\n"
    )


def test_wide_adds_the_target_and_the_message(in_world):
    async def test(world):
        await world.create()
        await get(world.session(), "podinfo", everywhere=False, form=Format.WIDE)
        return world.out.getvalue().splitlines()

    header, row = in_world(test)
    assert header.endswith("AGE   TARGET    MESSAGE")
    assert row.endswith("0s    podinfo   weight 25%, step 2 of 4, Healthy")


def test_the_target_of_a_managed_one_is_its_workload(in_world):
    async def test(world):
        await world.create(targetRef={"name": "podinfo-api"}, backends=None)
        await get(world.session(), "podinfo", everywhere=False, form=Format.WIDE)
        return world.out.getvalue().splitlines()[1]

    assert "podinfo-api" in in_world(test).split()


def test_all_namespaces_are_told_apart(in_world):
    async def test(world):
        await world.create()
        await world.create(name="api", namespace="other")
        await get(world.session(), "", everywhere=True, form=None)
        return [line.split()[:2] for line in world.out.getvalue().splitlines()]

    assert in_world(test) == [["NAMESPACE", "NAME"], ["other", "api"], ["shop", "podinfo"]]


def test_only_the_namespace_in_question_is_listed(in_world):
    async def test(world):
        await world.create(name="api", namespace="other")
        assert await world.code(get(world.session(), "", everywhere=False, form=None)) == 0
        return world.out.getvalue(), world.err.getvalue()

    assert in_world(test) == ("", "No Canaries found in namespace shop.\n")


def test_json_is_the_object_without_managed_fields(in_world):
    async def test(world):
        await world.create()
        await get(world.session(), "podinfo", everywhere=False, form=Format.JSON)
        return json.loads(world.out.getvalue())

    found = in_world(test)
    assert (found["kind"], found["apiVersion"]) == ("Canary", "canary.delivery/v1beta1")
    assert found["status"]["canaryWeight"] == 25
    assert "managedFields" not in found["metadata"]


def test_yaml_of_several_is_a_list(in_world):
    async def test(world):
        await world.create()
        await get(world.session(), "", everywhere=False, form=Format.YAML)
        return yaml.safe_load(world.out.getvalue())

    found = in_world(test)
    assert found["kind"] == "List"
    assert [(item["kind"], item["metadata"]["name"]) for item in found["items"]] == [("Canary", "podinfo")]


def test_names_are_what_kubectl_takes(in_world):
    async def test(world):
        await world.create()
        await get(world.session(), "", everywhere=False, form=Format.NAME)
        return world.out.getvalue()

    assert in_world(test) == "canary.canary.delivery/podinfo\n"


def test_an_unknown_name_is_exit_code_4(in_world):
    async def test(world):
        code = await world.code(get(world.session(), "none", everywhere=False, form=None))
        return code, world.err.getvalue()

    assert in_world(test) == (4, "Error: Canary none in namespace shop does not exist\n")


async def _watched(world, *later, form=None, name=""):
    task = asyncio.create_task(watch(world.session(), name, everywhere=False, form=form))
    for seconds, what in later:
        await asyncio.sleep(seconds)
        await what
    await asyncio.sleep(5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return world.out.getvalue()


def test_a_watch_prints_one_line_per_change_of_the_table(in_world, status):
    async def test(world):
        await world.create()
        same = status(message="weight 25%, step 2 of 4, held for 10s more")
        more = status(canaryWeight=100, step=4)
        return await _watched(world, (1, world.report(same)), (1, world.report(more)))

    assert [line.split()[:5] for line in in_world(test).splitlines()] == [
        ["NAME", "READY", "PHASE", "WEIGHT", "STEP"],
        ["podinfo", "Unknown", "Progressing", "25%", "2/4"],
        ["podinfo", "Unknown", "Progressing", "100%", "4/4"],
    ]


def test_a_watch_shows_new_and_deleted_canaries(in_world):
    async def test(world):
        from canary.cli.canaries import CANARIES

        deleted = world.cluster.client.delete(CANARIES, "api", "shop")
        return await _watched(world, (1, world.create(name="api")), (1, deleted))

    assert [line.split()[0:3:2] for line in in_world(test).splitlines()][1:] == [
        ["api", "-"],
        ["api", "Progressing"],
        ["api", "Deleted"],
    ]


def test_a_watch_of_yaml_is_a_stream_of_documents(in_world, status):
    async def test(world):
        await world.create()
        return await _watched(world, (1, world.report(status(canaryWeight=100))), form=Format.YAML, name="podinfo")

    documents = list(yaml.safe_load_all(in_world(test)))
    assert [document["status"]["canaryWeight"] for document in documents] == [25, 100]


def test_watching_an_unknown_name_is_exit_code_4(in_world):
    async def test(world):
        return await world.code(watch(world.session(), "none", everywhere=False, form=None))

    assert in_world(test) == 4
