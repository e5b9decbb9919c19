"""Kubeconfigs and service accounts, read by kubernetes_asyncio."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import certifi
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from canary.kube.credentials import BadConfig
from canary.kube.errors import Unreachable
from canary.kube.http import connect

Headers = dict[str, str]


@asynccontextmanager
async def serving(status: Callable[[Headers], int]) -> AsyncIterator[tuple[str, list[Headers]]]:
    """A server that answers with the `status` of a request's headers; its URL and the headers it saw."""
    seen: list[Headers] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        return web.json_response({}, status=status(seen[-1]))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/")), seen


def kubeconfig(folder: Path, url: str, user: dict[str, object]) -> str:
    path = folder / "config"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [
                    {"name": "c", "context": {"cluster": "k", "user": "u"}},
                    {"name": "other", "context": {"cluster": "k", "user": "nobody"}},
                ],
                "clusters": [{"name": "k", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": user}, {"name": "nobody", "user": {}}],
            }
        )
    )
    return str(path)


async def test_connect_uses_the_server_token_and_context_of_a_kubeconfig(tmp_path: Path) -> None:
    async with serving(lambda headers: 200) as (url, seen):
        config = kubeconfig(tmp_path, url, {"token": "secret"})
        for context, expected in (None, True), ("other", False):
            http = await connect(config, context, user_agent="canary/1")
            await http.request("GET", "/x")
            await http.close()
            assert (seen[-1].get("Authorization") == "Bearer secret") is expected
    assert seen[-1]["User-Agent"] == "canary/1"
    gc.collect()  # an unclosed session would warn now


async def test_a_401_runs_the_exec_plugin_again(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "import json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "n = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(n))\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
        " 'status': {'token': f'token-{n}'}}))\n"
    )

    def guard(headers: Headers) -> int:
        return 200 if headers["Authorization"] == "Bearer token-2" else 401

    plan = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": [str(plugin)]}
    async with serving(guard) as (url, _):
        http = await connect(kubeconfig(tmp_path, url, {"exec": plan}))
        answers = await asyncio.gather(*(http.request("GET", f"/{n}") for n in range(3)))
        await http.close()
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert (tmp_path / "count").read_text() == "2"


async def test_a_kubeconfig_that_is_not_there_is_bad_config(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="kubeconfig"):
        await connect(str(tmp_path / "none"))


async def test_outside_a_cluster_in_cluster_settings_are_bad_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(BadConfig, match="in-cluster"):
        await connect(in_cluster=True)


async def test_in_a_cluster_the_service_account_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from kubernetes_asyncio.config import incluster_config

    (tmp_path / "token").write_text("t\n")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", certifi.where())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(unused_port()))
    http = await connect(in_cluster=True)
    with pytest.raises(Unreachable, match="cannot connect"):
        await http.request("GET", "/version")
    await http.close()
    gc.collect()  # an unclosed session would warn now


def test_importing_the_transport_does_not_import_kubernetes_asyncio() -> None:
    code = "import sys, canary.kube.http; sys.exit('kubernetes_asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
