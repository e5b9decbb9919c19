"""What a real control plane does to a pod template, and what a revision makes of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from canary.kube.client import Client
from canary.kube.errors import Invalid
from canary.kube.resources import DEPLOYMENTS, REPLICA_SETS, Resource
from canary.workload.config import config_digest, copy_of, references, renamed
from canary.workload.failures import deployment_trouble
from canary.workload.pins import Pin, pin_body, pin_name, read_pin
from canary.workload.template import only_added, revision_of
from e2e.plane import Plane
from e2e.test_controlplane import deployment, eventually

CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
DEFAULTED = ("terminationGracePeriodSeconds", "dnsPolicy", "schedulerName", "restartPolicy")


async def revision(admin: Client, namespace: str, resource: Resource = DEPLOYMENTS, name: str = "web") -> str:
    found = await admin.get(resource, name, namespace)
    return revision_of(found["spec"]["template"], {})


def dry_run(plane: Plane, live: dict[str, Any], template: dict[str, Any]) -> dict[str, Any]:
    """The template that the server would store in the place of the live one."""
    metadata = live["metadata"]
    path = f"{DEPLOYMENTS.path(metadata['namespace'], metadata['name'])}?dryRun=All"
    body = {**live, "metadata": {"name": metadata["name"]}, "spec": {**live["spec"], "template": template}}
    answer: dict[str, Any] = plane.api.json("PUT", path, body)["spec"]["template"]
    return answer


def undefaulted(template: dict[str, Any]) -> dict[str, Any]:
    """The template as a server would have stored it that knew fewer fields."""
    older = copy.deepcopy(template)
    for field in DEFAULTED:
        del older["spec"][field]
    for container in older["spec"]["containers"]:
        del container["imagePullPolicy"], container["terminationMessagePath"]
    return older


async def test_reading_scaling_and_labelling_a_deployment_leave_its_revision_alone(
    admin: Client, namespace: str
) -> None:
    stored = await admin.create(DEPLOYMENTS, deployment(), namespace)
    assert stored["spec"]["template"]["spec"]["dnsPolicy"] == "ClusterFirst"
    first = revision_of(stored["spec"]["template"], {})
    assert first == await revision(admin, namespace)
    await admin.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 5, "minReadySeconds": 1, "paused": True}}, namespace)
    assert first == await revision(admin, namespace)
    await admin.patch(DEPLOYMENTS, "web", {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}, namespace)
    assert first == await revision(admin, namespace)


async def test_sending_the_same_manifest_again_leaves_its_revision_alone(admin: Client, namespace: str) -> None:
    await admin.create(DEPLOYMENTS, deployment(), namespace)
    first = await revision(admin, namespace)
    await admin.replace(DEPLOYMENTS, "web", deployment(), namespace)
    assert first == await revision(admin, namespace)
    await admin.patch(DEPLOYMENTS, "web", deployment(), namespace)
    assert first == await revision(admin, namespace)


async def test_writing_a_default_out_leaves_the_revision_alone(admin: Client, namespace: str) -> None:
    await admin.create(DEPLOYMENTS, deployment(), namespace)
    first = await revision(admin, namespace)
    written = deployment()
    written["spec"]["template"]["spec"] |= {"terminationGracePeriodSeconds": 30, "nodeName": None}
    await admin.replace(DEPLOYMENTS, "web", written, namespace)
    assert first == await revision(admin, namespace)


async def test_the_replica_set_of_a_deployment_has_its_revision(admin: Client, namespace: str) -> None:
    await admin.create(DEPLOYMENTS, deployment(), namespace)

    async def sets() -> list[Any]:
        return list((await admin.list(REPLICA_SETS, namespace)).items)

    found = await eventually(sets)
    assert [revision_of(one["spec"]["template"], {}) for one in found] == [await revision(admin, namespace)]


async def test_a_template_from_before_a_default_is_known_again_by_a_dry_run(
    plane: Plane, admin: Client, namespace: str
) -> None:
    live = await admin.create(DEPLOYMENTS, deployment(), namespace)
    current = live["spec"]["template"]
    pinned = undefaulted(current)
    assert revision_of(pinned, {}) != revision_of(current, {})
    assert only_added(pinned, current)
    assert revision_of(dry_run(plane, live, pinned), {}) == revision_of(current, {})
    after = await admin.get(DEPLOYMENTS, "web", namespace)
    assert after["metadata"]["generation"] == live["metadata"]["generation"]


@pytest.mark.parametrize(
    "change",
    [
        {"image": "web:2"},
        {"env": [{"name": "EXTRA", "value": "1"}]},
        {"imagePullPolicy": "Always"},
        {"command": ["/bin/true"]},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_real_change_is_told_from_a_default(
    plane: Plane, admin: Client, namespace: str, change: dict[str, Any]
) -> None:
    live = await admin.create(DEPLOYMENTS, deployment(), namespace)
    pinned = undefaulted(live["spec"]["template"])
    changed = deployment()
    changed["spec"]["template"]["spec"]["containers"][0] |= change
    live = await admin.replace(DEPLOYMENTS, "web", changed, namespace)
    current = live["spec"]["template"]
    added = only_added(pinned, current)
    assert added is ("image" not in change)
    assert revision_of(dry_run(plane, live, pinned), {}) != revision_of(current, {})


async def test_a_pin_is_read_back_as_it_was_and_its_data_cannot_be_changed(admin: Client, namespace: str) -> None:
    stored = await admin.create(DEPLOYMENTS, deployment(), namespace)
    template = stored["spec"]["template"]
    pin = Pin(revision_of(template, {}), template, {"ConfigMap/flags": "flags-0123456789"})
    name = pin_name("web", pin.revision)
    body = pin_body(name, namespace, "web", pin, {"canary.delivery/canary": "web"}, {}, 1)
    await admin.create(CONTROLLER_REVISIONS, body, namespace)
    kept = await admin.get(CONTROLLER_REVISIONS, name, namespace)
    assert read_pin(kept) == pin
    assert revision_of(kept["data"]["template"], {}) == pin.revision

    aliased = pin.with_alias("v1-0123456789abcdef")
    body = pin_body(name, namespace, "web", aliased, {"canary.delivery/canary": "web"}, {}, 2)
    assert read_pin(await admin.replace(CONTROLLER_REVISIONS, name, body, namespace)) == aliased
    body["data"]["template"]["spec"]["hostNetwork"] = True
    with pytest.raises(Invalid):
        await admin.replace(CONTROLLER_REVISIONS, name, body, namespace)


@pytest.mark.parametrize(
    ("resource", "obj"),
    [
        (CONFIG_MAPS, {"data": {"a": "1"}, "binaryData": {"b": "AAE="}}),
        (CONFIG_MAPS, {}),
        (SECRETS, {"stringData": {"password": "x"}}),
        (SECRETS, {"type": "kubernetes.io/basic-auth", "stringData": {"username": "u", "password": "x"}}),
    ],
)
async def test_a_copy_has_the_digest_of_its_original_and_stays_as_it_is(
    admin: Client, namespace: str, resource: Resource, obj: dict[str, Any]
) -> None:
    metadata = {"name": "app.conf", "annotations": {"private": "yes"}, "labels": {"user": "yes"}}
    await admin.create(resource, {"metadata": metadata, **obj}, namespace)
    found = (await admin.list(resource, namespace, field_selector="metadata.name=app.conf")).items[0]
    digest = config_digest(found)
    made = await admin.create(resource, copy_of(found, digest, {"ours": "yes"}, {}), namespace)
    assert config_digest(made) == digest
    assert made["metadata"]["labels"] == {"ours": "yes"}
    assert "annotations" not in made["metadata"]
    with pytest.raises(Invalid):
        await admin.patch(resource, made["metadata"]["name"], {"data": {"another": "AAE="}}, namespace)


async def test_a_template_with_renamed_references_is_taken_by_the_server(admin: Client, namespace: str) -> None:
    written = deployment()
    written["spec"]["template"]["spec"] |= {
        "volumes": [
            {"name": "a", "configMap": {"name": "app", "optional": True}},
            {"name": "b", "secret": {"secretName": "app"}},
            {"name": "c", "projected": {"sources": [{"configMap": {"name": "app"}}, {"secret": {"name": "app"}}]}},
        ],
        "containers": [
            {
                "name": "web",
                "image": "web:1",
                "envFrom": [{"configMapRef": {"name": "app"}}, {"secretRef": {"name": "app"}}],
                "env": [
                    {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "app", "key": "a"}}},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "app", "key": "b"}}},
                ],
            }
        ],
    }
    stored = await admin.create(DEPLOYMENTS, written, namespace)
    names = {(ref.kind, ref.name): f"{ref.name}-copy" for ref in references(stored["spec"]["template"])}
    assert sorted(names) == [("ConfigMap", "app"), ("Secret", "app")]
    written["spec"]["template"] = renamed(stored["spec"]["template"], names)
    answer = await admin.replace(DEPLOYMENTS, "web", written, namespace)
    assert {ref.name for ref in references(answer["spec"]["template"])} == {"app-copy"}
    assert "'app'" not in repr(answer["spec"]["template"]["spec"])


async def test_a_deployment_whose_pods_are_refused_says_so(admin: Client, namespace: str) -> None:
    refused = deployment()
    refused["spec"]["template"]["spec"]["priorityClassName"] = "absent"
    await admin.create(DEPLOYMENTS, refused, namespace)

    async def trouble() -> str:
        return deployment_trouble(await admin.get(DEPLOYMENTS, "web", namespace))

    words = await eventually(trouble)
    assert words.startswith("FailedCreate: pods ")
    assert "no PriorityClass with name absent was found" in words
