"""The server with its TLS: who is let in, and what changes while it runs."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest

from canary.kube.clock import SystemClock
from canary.metrics.prometheus.pack_file import shipped
from canary.smi_metrics.process import Process
from canary.smi_metrics.server import CannotListen
from canary.smi_metrics.settings import Settings
from canary.smi_metrics.tls import BadCertificate
from e2e.plane.certificates import Authority
from tests.smi_metrics.cluster import CONFIG_MAP, Kubernetes
from tests.smi_metrics.conftest import Given, measured

HOST = "canary-smi-metrics.canary-system.svc"
ROOT = "/apis/metrics.smi-spec.io/v1alpha1"


class Certificates:
    """Made once: openssl takes its time."""

    def __init__(self, directory) -> None:
        serving, self.proxies, others = (Authority(directory / name, name) for name in ("serving", "proxies", "others"))
        self.ca, self.other_ca = serving.certificate, others.certificate
        self.serving = serving.issue("serving", f"DNS:{HOST}")
        self.renewed = serving.issue("renewed", f"DNS:{HOST}")
        self.proxy = self.proxies.issue("front-proxy-client")
        self.wrong_name = self.proxies.issue("kubelet")
        self.new_proxy = others.issue("front-proxy-client")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def kubernetes(pki):
    kubernetes = Kubernetes()
    kubernetes.publish(pki.proxies.certificate.read_text(), "front-proxy-client")
    return kubernetes


@pytest.fixture
def files(pki, tmp_path):
    """The mounted Secret: certificate and key."""
    files = (tmp_path / "tls.crt", tmp_path / "tls.key")
    put(files, pki.serving)
    return files


def put(files, pair):
    shutil.copy(pair.certificate, files[0])
    shutil.copy(pair.key, files[1])


def process_for(kubernetes, files, measurer=None, **overrides):
    options = {"pack": shipped("linkerd"), "certificate": files[0], "key": files[1], "port": 0} | overrides
    return Process(Settings(**options), kubernetes.client(), measurer or Given([measured()]), clock=SystemClock())


@pytest.fixture
async def process(kubernetes, files):
    """The running process, which knows its aggregator."""
    process = process_for(kubernetes, files)
    await process.refresh_trust()
    async with process.serving():
        yield process


@asynccontextmanager
async def client(process, pki, pair=None, version=None):
    """A session that trusts the serving authority, with a certificate or without; and a function to GET with it."""
    tls = ssl.create_default_context(cafile=pki.ca)
    if pair is not None:
        tls.load_cert_chain(pair.certificate, pair.key)
    if version is not None:
        tls.maximum_version = version
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:

        async def get(path=f"{ROOT}/deployments", **headers):
            url = f"https://127.0.0.1:{process.port}{path}"
            async with session.get(url, server_hostname=HOST, headers=headers) as answer:
                return answer.status, await answer.json(content_type=None) if "json" in answer.content_type else None

        yield get
    await asyncio.sleep(0)


async def test_the_aggregator_is_answered(process, pki):
    async with client(process, pki, pki.proxy) as get:
        status, body = await get()
    assert (status, body["items"][0]["resource"]["name"]) == (200, "web")


async def test_a_stranger_without_a_certificate_is_not(process, pki):
    async with client(process, pki) as get:
        status, body = await get()
        assert (status, body["kind"], body["reason"]) == (401, "Status", "Unauthorized")
        assert (await get("/openapi/v2"))[0] == 401


async def test_a_stranger_does_not_get_in_by_the_headers_of_the_aggregator(process, pki):
    async with client(process, pki) as get:
        assert (await get(**{"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}))[0] == 401


async def test_a_certificate_with_another_name_does_not_let_in(process, pki):
    async with client(process, pki, pki.wrong_name) as get:
        assert (await get())[0] == 401


async def test_a_certificate_of_another_authority_is_refused_at_once(process, pki):
    with pytest.raises(aiohttp.ClientError):
        async with client(process, pki, pki.new_proxy) as get:
            await get()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
async def test_anybody_may_probe(process, pki, path):
    async with client(process, pki) as get:
        assert (await get(path))[0] == 200


async def test_tls_below_1_2_is_not_spoken(process, pki):
    assert process._tls.current.minimum_version == ssl.TLSVersion.TLSv1_2
    async with client(process, pki, pki.proxy, version=ssl.TLSVersion.TLSv1_2) as get:
        assert (await get())[0] == 200


async def test_a_user_of_two_hundred_groups_gets_in(process, pki):
    tls = ssl.create_default_context(cafile=pki.ca)
    tls.load_cert_chain(pki.proxy.certificate, pki.proxy.key)
    headers = [("X-Remote-Group", f"group-{number}") for number in range(200)]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        url = f"https://127.0.0.1:{process.port}{ROOT}"
        async with session.get(url, server_hostname=HOST, headers=headers) as answer:
            assert answer.status == 200


async def serial(process, pki):
    """The serial number of the certificate that a new connection sees."""
    tls = ssl.create_default_context(cafile=pki.ca)
    _, writer = await asyncio.open_connection("127.0.0.1", process.port, ssl=tls, server_hostname=HOST)
    number = writer.get_extra_info("peercert")["serialNumber"]
    writer.transport.abort()
    return number


async def test_a_new_serving_certificate_is_used_without_a_restart(process, pki, files):
    before = await serial(process, pki)
    put(files, pki.renewed)
    process.refresh_certificate()
    after = await serial(process, pki)
    assert before != after
    async with client(process, pki, pki.proxy) as get:
        assert (await get())[0] == 200


async def test_half_a_new_certificate_is_waited_out(process, pki, files):
    before = await serial(process, pki)
    shutil.copy(pki.renewed.certificate, files[0])
    process.refresh_certificate()
    assert await serial(process, pki) == before
    shutil.copy(pki.renewed.key, files[1])
    process.refresh_certificate()
    assert await serial(process, pki) != before


async def test_a_certificate_that_is_gone_goes_on_being_served(process, pki, files):
    files[0].unlink()
    process.refresh_certificate()
    await serial(process, pki)


async def test_a_new_authority_of_the_aggregator_replaces_the_old_one_on_open_connections_too(process, pki, kubernetes):
    async with client(process, pki, pki.proxy) as get:
        assert (await get())[0] == 200
        kubernetes.publish(pki.other_ca.read_text(), "front-proxy-client")
        await process.refresh_trust()
        with pytest.raises(aiohttp.ClientError):
            await get()
    async with client(process, pki, pki.new_proxy) as get:
        assert (await get())[0] == 200


async def test_a_name_that_is_no_longer_allowed_is_refused_on_the_next_request(process, pki, kubernetes):
    async with client(process, pki, pki.proxy) as get:
        assert (await get())[0] == 200
        kubernetes.publish(pki.proxies.certificate.read_text(), "another")
        await process.refresh_trust()
        assert (await get())[0] == 401


@pytest.mark.parametrize(
    "answer", [(500, {}), (200, {"data": {}}), (200, {"data": {"requestheader-client-ca-file": "x"}})]
)
async def test_an_api_server_that_says_nothing_changes_nothing(process, pki, kubernetes, answer):
    kubernetes.answers[CONFIG_MAP] = [answer]
    await process.refresh_trust()
    async with client(process, pki, pki.proxy) as get:
        assert (await get())[0] == 200


async def test_before_the_aggregator_is_known_nobody_is_let_in(pki, files):
    process = process_for(Kubernetes(down=True), files)
    await process.refresh_trust()
    async with process.server.listening("127.0.0.1", 0, process._tls) as process.port, client(process, pki) as get:
        assert (await get())[0] == 401
        assert (await get("/readyz"))[0] == 503
        assert (await get("/livez"))[0] == 200


def test_it_does_not_start_without_its_certificate(kubernetes, tmp_path):
    with pytest.raises(BadCertificate, match=r"tls\.crt"):
        process_for(kubernetes, (tmp_path / "tls.crt", tmp_path / "tls.key"))


def test_it_does_not_start_with_the_key_of_another(kubernetes, files, pki):
    shutil.copy(pki.renewed.key, files[1])
    with pytest.raises(BadCertificate, match=r"tls\.key"):
        process_for(kubernetes, files)


async def test_an_address_that_is_taken_is_named(process, kubernetes, files):
    with pytest.raises(CannotListen, match=f"127.0.0.1:{process.port}"):
        await process_for(kubernetes, files, port=process.port).run()


class Slow:
    """Measures when it is let."""

    def __init__(self):
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def measure(self, question):
        self.asked.set()
        await self.gate.wait()
        return [measured()]


async def test_a_request_that_runs_is_let_finish(pki, kubernetes, files):
    slow = Slow()
    process = process_for(kubernetes, files, slow)
    await process.refresh_trust()
    async with client(process, pki, pki.proxy) as get:
        async with process.serving():
            request = asyncio.create_task(get())
            await slow.asked.wait()
            asyncio.get_running_loop().call_soon(slow.gate.set)
        assert (await request)[0] == 200


async def test_a_request_during_a_change_of_trust_is_answered_and_its_connection_closed(pki, kubernetes, files):
    slow = Slow()
    process = process_for(kubernetes, files, slow)
    await process.refresh_trust()
    async with process.serving(), client(process, pki, pki.proxy) as get:
        request = asyncio.create_task(get())
        await slow.asked.wait()
        kubernetes.publish(pki.other_ca.read_text(), "front-proxy-client")
        await process.refresh_trust()
        slow.gate.set()
        assert (await request)[0] == 200
        with pytest.raises(aiohttp.ClientError):
            await get()


MANY = [measured(f"web-{number}") for number in range(12_000)]


async def test_a_large_answer_arrives_in_full(pki, kubernetes, files):
    process = process_for(kubernetes, files, Given(MANY))
    await process.refresh_trust()
    async with process.serving(), client(process, pki, pki.proxy) as get:
        for _ in range(2):
            status, body = await get()
            assert (status, len(body["items"])) == (200, len(MANY))


async def test_a_client_that_goes_away_in_the_middle_of_an_answer_is_no_error(pki, kubernetes, files, caplog):
    process = process_for(kubernetes, files, Given(MANY))
    await process.refresh_trust()
    tls = ssl.create_default_context(cafile=pki.ca)
    tls.load_cert_chain(pki.proxy.certificate, pki.proxy.key)
    async with process.serving():
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port, ssl=tls, server_hostname=HOST)
        writer.write(f"GET {ROOT}/deployments HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b"200 OK" in await reader.readline()
        writer.transport.abort()
        async with client(process, pki, pki.proxy) as get:
            assert (await get())[0] == 200
    assert caplog.messages == []


async def test_it_runs_until_it_is_told_to_stop(kubernetes, files):
    process = process_for(kubernetes, files)
    running = asyncio.create_task(process.run())
    process.stop()
    await running
