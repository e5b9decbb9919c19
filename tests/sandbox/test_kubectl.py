"""A real kubectl against the HTTP face."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from canary.api.crd import crd_yaml
from canary.kube.clock import SystemClock
from canary.sandbox.apiserver.http import serve
from canary.sandbox.apiserver.server import ApiServer

KUBECTL = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
SECONDS = 20

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "web:1", ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
CANARY = """
apiVersion: canary.delivery/v1beta1
kind: Canary
metadata: {name: podinfo}
spec:
  backends: {stable: podinfo-v1, canary: podinfo-v2}
  service: {name: podinfo}
  steps: [{weight: 5, hold: 2m}, {weight: 100, hold: 2m}]
"""
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1'}\n"


class Kubectl:
    """kubectl with a home of its own."""

    def __init__(self, home, server):
        self.server = server
        self._home = home
        self._environment = {"HOME": str(home), "KUBECONFIG": str(home / "config"), "PATH": os.environ["PATH"]}

    async def start(self, *arguments):
        return await asyncio.create_subprocess_exec(
            KUBECTL,
            f"--cache-dir={self._home}/cache",
            *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments, stdin=""):
        """Exit code, and output and errors together."""
        process = await self.start(*arguments)
        async with asyncio.timeout(SECONDS):
            out, errors = await process.communicate(stdin.encode())
        return process.returncode, (out + errors).decode()

    async def __call__(self, *arguments, stdin=""):
        code, text = await self.run(*arguments, stdin=stdin)
        assert code == 0, text
        return text

    async def watches(self):
        """Until a kubectl that runs has opened its watch."""
        for _ in range(100 * SECONDS):
            if self.server.open_watches:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("no watch was opened")

    async def object(self, *names):
        return yaml.safe_load(await self("get", *names, "-o", "yaml", "--show-managed-fields"))


@pytest.fixture
def kubectl(tmp_path):
    @asynccontextmanager
    async def running():
        server = ApiServer(SystemClock(), random.Random(1))
        face = await serve(server, token="secret")
        face.write_kubeconfig(tmp_path / "config")
        try:
            yield Kubectl(tmp_path, server)
        finally:
            await face.close()

    assert KUBECTL, "kubectl comes with the development requirements"
    return running


async def test_version_and_resources(kubectl):
    async with kubectl() as run:
        assert "Server Version: v1.36." in await run("version")
        listed = await run("api-resources")
        assert "deploy" in listed
        assert "customresourcedefinitions" in listed


async def test_apply_creates_configures_and_leaves_alone(kubectl):
    async with kubectl() as run:
        assert await run("apply", "-f", "-", stdin=WEB) == "deployment.apps/web created\nservice/web created\n"
        assert await run("apply", "-f", "-", stdin=WEB) == "deployment.apps/web unchanged\nservice/web unchanged\n"
        changed = WEB.replace("web:1", "web:2")
        assert "deployment.apps/web configured" in await run("apply", "-f", "-", stdin=changed)
        deployment = await run.object("deployment", "web")
        assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
        assert deployment["metadata"]["generation"] == 2


async def test_server_side_apply_takes_over_from_client_side_apply(kubectl):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=WEB)
        assert "serverside-applied" in await run("apply", "--server-side", "-f", "-", stdin=WEB)
        owners = {entry["manager"] for entry in (await run.object("deployment", "web"))["metadata"]["managedFields"]}
        assert "kubectl" in owners
        assert "kubectl-client-side-apply" not in owners


async def test_a_conflict_of_server_side_apply_is_explained_and_can_be_forced(kubectl):
    async with kubectl() as run:
        await run("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=CONFIG_MAP)
        other = CONFIG_MAP.replace("'1'", "'2'")
        code, text = await run.run("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=other)
        assert code == 1
        assert 'conflict with "one": .data.a' in text
        await run("apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-", stdin=other)
        assert (await run.object("configmap", "settings"))["data"] == {"a": "2"}


async def test_get_prints_the_columns_of_built_in_and_custom_kinds(kubectl):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=WEB)
        await run("apply", "-f", "-", stdin=crd_yaml())
        await run("wait", "--for=condition=Established", "crd/canaries.canary.delivery", "--timeout=5s")
        await run("apply", "-f", "-", stdin=CANARY)
        deployments = (await run("get", "deploy,svc")).split("\n")
        assert deployments[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
        assert deployments[1].split()[:2] == ["deployment.apps/web", "0/1"]
        header, row, *_ = (await run("get", "canaries.canary.delivery")).split("\n")
        assert header.split()[:4] == ["NAME", "READY", "PHASE", "WEIGHT"]
        assert row.split()[0] == "podinfo"
        assert await run("get", "canaries.canary.delivery", "-o", "name") == "canary.canary.delivery/podinfo\n"


async def test_get_watch_prints_changes_as_they_happen(kubectl):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=WEB)
        watching = await run.start("get", "deploy", "-w")
        try:
            async with asyncio.timeout(SECONDS):
                assert (await watching.stdout.readline()).startswith(b"NAME")
                assert b"0/1" in await watching.stdout.readline()
                await run("scale", "deploy/web", "--replicas=3")
                assert b"0/3" in await watching.stdout.readline()
        finally:
            watching.kill()
            await watching.communicate()


@pytest.mark.parametrize(
    ("arguments", "replicas"),
    [
        (("--type=merge", "-p", '{"spec":{"replicas":2}}'), 2),
        (("--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":3}]'), 3),
        (("-p", '{"spec":{"replicas":4}}'), 4),
    ],
)
async def test_patch_of_each_type(kubectl, arguments, replicas):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=WEB)
        assert "patched" in await run("patch", "deploy", "web", *arguments)
        assert (await run.object("deploy", "web"))["spec"]["replicas"] == replicas


async def test_patch_of_the_status_subresource(kubectl):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=WEB)
        await run("patch", "deploy", "web", "--subresource=status", "--type=merge", "-p", '{"status":{"replicas":5}}')
        assert (await run.object("deploy", "web"))["status"]["replicas"] == 5


async def test_wait_sees_a_condition_that_comes_while_it_waits(kubectl):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=WEB)
        waiting = await run.start("wait", "--for=condition=Available", "deploy/web", "--timeout=15s")
        await run.watches()
        condition = '{"status":{"conditions":[{"type":"Available","status":"True"}]}}'
        await run("patch", "deploy", "web", "--subresource=status", "--type=merge", "-p", condition)
        async with asyncio.timeout(SECONDS):
            out, _ = await waiting.communicate()
        assert out == b"deployment.apps/web condition met\n"


async def test_wait_gives_up_in_time(kubectl):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=WEB)
        code, text = await run.run("wait", "--for=condition=Available", "deploy/web", "--timeout=1s")
        assert code == 1
        assert "timed out waiting for the condition" in text


async def test_describe_shows_the_object_and_its_events(kubectl):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=WEB)
        uid = (await run.object("deploy", "web"))["metadata"]["uid"]
        event = f"""
apiVersion: events.k8s.io/v1
kind: Event
metadata: {{name: web.1}}
regarding: {{apiVersion: apps/v1, kind: Deployment, name: web, namespace: default, uid: {uid}}}
reason: Tested
note: it was looked at
type: Normal
action: Testing
eventTime: "2026-01-01T00:00:00.000000Z"
reportingController: example.com/tester
reportingInstance: one
"""
        await run("create", "-f", "-", stdin=event)
        text = await run("describe", "deploy", "web")
        assert "web:1" in text
        assert "it was looked at" in text
        assert "Tested" in await run("events", "--for=deployment/web")


async def test_explain_knows_our_fields(kubectl):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=crd_yaml())
        assert "backends" in await run("explain", "canaries.canary.delivery.spec")
        assert "replicas" in await run("explain", "deployment.spec")


async def test_a_misspelt_field_is_refused_by_name(kubectl):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=crd_yaml())
        code, text = await run.run("apply", "-f", "-", stdin=CANARY.replace("steps:", "stepz:"))
        assert code == 1
        assert 'unknown field "spec.stepz"' in text


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
async def test_delete_with_each_cascade(kubectl, cascade):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=CONFIG_MAP)
        uid = (await run.object("configmap", "settings"))["metadata"]["uid"]
        owner = f"[{{apiVersion: v1, kind: ConfigMap, name: settings, uid: {uid}, blockOwnerDeletion: true}}]"
        child = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: child, ownerReferences: {owner}}}\n"
        await run("apply", "-f", "-", stdin=child)
        assert "deleted" in await run("delete", "configmap", "settings", f"--cascade={cascade}")
        left = await run("get", "secrets", "-o", "name")
        assert left == ("secret/child\n" if cascade == "orphan" else "")


async def test_delete_waits_for_a_finalizer(kubectl):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=CONFIG_MAP.replace("settings}", "settings, finalizers: [a.io/f]}"))
        deleting = await run.start("delete", "configmap", "settings")
        await run.watches()
        assert deleting.returncode is None
        await run("patch", "configmap", "settings", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        async with asyncio.timeout(SECONDS):
            out, _ = await deleting.communicate()
        assert b"deleted" in out


async def test_a_namespace_and_all_in_it_are_deleted(kubectl):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin="apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
        await run("apply", "-n", "shop", "-f", "-", stdin=WEB)
        await run("delete", "namespace", "shop")
        assert "No resources found" in await run("get", "deploy,svc,pods", "-A", "-l", "component!=apiserver")


async def test_everyday_commands(kubectl):
    async with kubectl() as run:
        await run("apply", "-f", "-", stdin=WEB)
        await run("label", "deploy", "web", "team=a")
        await run("annotate", "deploy", "web", "note=b")
        await run("set", "image", "deploy/web", "main=web:2")
        assert "web:2" in await run("get", "deploy", "-l", "team=a", "-o", "wide")
        assert "web:3" in (await run.run("diff", "-f", "-", stdin=WEB.replace("web:1", "web:3")))[1]
        assert await run("auth", "can-i", "create", "pods") == "yes\n"
        code, text = await run.run("create", "-f", "-", stdin=WEB)
        assert code == 1
        assert "already exists" in text
