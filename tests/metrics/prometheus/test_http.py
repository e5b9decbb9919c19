"""The client of the query API against servers on 127.0.0.1 that misbehave on purpose."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from canary.metrics.prometheus.http import BadAddress, HttpPrometheus
from canary.metrics.prometheus.prometheus import PrometheusError, Result
from tests.raw_server import Answer, Writer, serving

VECTOR = json.dumps(
    {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [1, "2"]}]}}
).encode()


def answering(status: int, body: bytes = VECTOR, *headers: str, length: int | None = None) -> Answer:
    async def answer(head: str, writer: Writer) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        if length is not None:
            writer.close()

    return answer


async def hang(head: str, writer: Writer) -> None:
    await asyncio.Event().wait()


async def trickle(head: str, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def reset(head: str, writer: Writer) -> None:
    writer.transport.abort()


async def ask(
    url: str, query: str = "up", *, timeout: float = 5.0, time: float | None = None, **options: Any
) -> Result:
    client = HttpPrometheus(url, **options)
    try:
        return await client.query(query, timeout=timeout, time=time)
    finally:
        await client.close()


async def failure(answer: Answer, **options: Any) -> PrometheusError:
    async with serving(answer) as server:
        with pytest.raises(PrometheusError) as caught:
            await ask(server.url, **options)
    return caught.value


async def test_a_query_is_a_form_so_that_it_may_be_long() -> None:
    query = 'up{job=~"' + "|".join(f"web-{n} &=+" for n in range(1000)) + '"}'
    async with serving(answering(200)) as server:
        answer = await ask(server.url, query, timeout=2.5, time=1700000000.1234)
    assert server.heads[0].startswith("POST /api/v1/query HTTP/1.1\r\n")
    assert "content-type: application/x-www-form-urlencoded" in server.heads[0].lower()
    assert server.form == {"query": [query], "timeout": ["2.500"], "time": ["1700000000.123"]}
    assert answer.series[0].labels == {"a": "b"}


async def test_without_a_time_the_server_takes_its_own() -> None:
    async with serving(answering(200)) as server:
        await ask(server.url)
    assert "time" not in server.form


@pytest.mark.parametrize("prefix", ["/prometheus", "/select/0/prometheus/"])
async def test_the_address_may_have_a_path(prefix: str) -> None:
    async with serving(answering(200)) as server:
        await ask(server.url + prefix)
    assert server.heads[0].startswith(f"POST {prefix.rstrip('/')}/api/v1/query HTTP/1.1")


async def test_the_servers_own_time_is_told() -> None:
    async with serving(answering(200, VECTOR, "Date: Thu, 01 Jan 2026 00:00:30 GMT")) as server:
        answer = await ask(server.url)
    assert answer.served_at == datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("headers", [(), ("Date: soon",)])
async def test_a_server_that_does_not_say_its_time_has_none(headers: tuple[str, ...]) -> None:
    async with serving(answering(200, VECTOR, *headers)) as server:
        assert (await ask(server.url)).served_at is None


async def test_connections_are_used_again() -> None:
    async with serving(answering(200)) as server:
        client = HttpPrometheus(server.url)
        for _ in range(3):
            await client.query("up", timeout=5)
        await client.close()
    assert len(server.peers) == 3
    assert len(set(server.peers)) == 1


# Who asks.


async def test_without_a_token_nothing_is_said_of_who_asks() -> None:
    async with serving(answering(200)) as server:
        await ask(server.url)
    assert "authorization" not in server.heads[0].lower()


async def test_a_token_that_was_rotated_is_read_anew_when_the_old_one_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")

    async def answer(head: str, writer: Writer) -> None:
        await answering(200 if "Authorization: Bearer new\r\n" in head else 401)(head, writer)

    async with serving(answer) as server:
        client = HttpPrometheus(server.url, token_file=str(token))
        with pytest.raises(PrometheusError, match="answered 401"):
            await client.query("up", timeout=5)
        token.write_text("new\n")
        await client.query("up", timeout=5)
        await client.close()
    assert "Authorization: Bearer old\r\n" in server.heads[0]


async def test_a_token_file_that_is_not_there_is_named() -> None:
    async with serving(answering(200)) as server:
        with pytest.raises(PrometheusError, match=r"cannot be reached: no credentials: .*/none"):
            await ask(server.url, token_file="/none")
    assert server.heads == []


async def test_a_token_does_not_get_into_an_error(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    for answer in (answering(401, b"s3cret"), answering(500, b"s3cret"), reset):
        assert "s3cret" not in str(await failure(answer, token_file=str(token)))


# What goes wrong.


async def test_nobody_listens() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(PrometheusError, match=r"^Prometheus cannot be reached: cannot connect: ") as caught:
        await ask(f"http://127.0.0.1:{port}")
    assert caught.value.code == 0


async def test_a_server_without_tls_is_not_reached_by_https() -> None:
    async with serving(answering(200)) as server:
        with pytest.raises(PrometheusError, match=r"^Prometheus cannot be reached: cannot connect: "):
            await ask(server.url.replace("http:", "https:"))


@pytest.mark.parametrize("answer", [hang, trickle])
async def test_the_time_is_that_of_the_whole_exchange(answer: Answer) -> None:
    failed = await failure(answer, timeout=0.2)
    assert str(failed) == "Prometheus did not answer in full: no answer within 0.2 s"


async def test_a_broken_connection() -> None:
    assert str(await failure(reset)).startswith("Prometheus did not answer in full: the connection broke: ")


async def test_an_answer_that_is_cut_off() -> None:
    failed = await failure(answering(200, VECTOR[:20], length=1000))
    assert str(failed).startswith("Prometheus did not answer in full: the answer broke off: ")


@pytest.mark.parametrize("said", [True, False])
async def test_an_answer_that_is_too_long_is_not_read(said: bool) -> None:
    async def endless(head: str, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b" " * 4096 + b"\r\n")
            await writer.drain()

    failed = await failure(answering(200, b" " * 20_000) if said else endless, max_body=10_000)
    assert str(failed) == "Prometheus did not answer in full: the answer is longer than 10000 bytes"


async def test_a_redirect_is_not_followed() -> None:
    async with serving(answering(200)) as other:
        failed = await failure(answering(302, b"", f"Location: {other.url}/"))
    assert failed.code == 302
    assert other.heads == []


async def test_a_refused_query_is_told_in_prometheus_words() -> None:
    body = json.dumps({"status": "error", "errorType": "bad_data", "error": "1:5: parse error"}).encode()
    failed = await failure(answering(400, body))
    assert str(failed) == "Prometheus refused the query: bad_data: 1:5: parse error"
    assert (failed.code, failed.rejected) == (400, True)


async def test_a_page_instead_of_an_answer() -> None:
    assert "HTML" in str(await failure(answering(200, b"<html>login")))


async def test_a_failed_query_is_sent_once() -> None:
    async with serving(reset) as server:
        with pytest.raises(PrometheusError):
            await ask(server.url)
        assert len(server.heads) == 1


async def test_a_closed_client_says_so() -> None:
    client = HttpPrometheus("http://127.0.0.1:1")
    await client.close()
    with pytest.raises(PrometheusError, match="the transport is closed"):
        await client.query("up", timeout=1)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("prometheus:9090", "begins with http:// or https://"),
        ("ftp://prometheus", "begins with http:// or https://"),
        ("http://", "begins with http:// or https:// and a host"),
        ("http://prometheus:99999", "is none: "),
        ("http://[::1", "is none: "),
        ("http://prometheus?x=1", "no query"),
        ("http://prometheus#x", "no fragment"),
        ("http://me:s3cret@prometheus", "no password: use a token file"),
    ],
)
async def test_an_address_that_is_none_is_refused_at_once(url: str, words: str) -> None:
    with pytest.raises(BadAddress) as caught:
        HttpPrometheus(url)
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_a_ca_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "empty"):
        if path.name == "empty":
            path.write_text("no certificate")
        with pytest.raises(BadAddress, match=rf"the CA file {path} cannot be read"):
            HttpPrometheus("https://prometheus", ca_file=str(path))
