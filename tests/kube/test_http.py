"""The HTTP transport against servers on 127.0.0.1 that misbehave on purpose."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from canary.kube.client import Client
from canary.kube.clock import SystemClock
from canary.kube.credentials import TokenFile
from canary.kube.errors import Ambiguous, Conflict, Gone, KubeError, NotFound, Unreachable
from canary.kube.http import HttpTransport
from canary.kube.resources import SERVICES
from tests.raw_server import Answer, Writer, serving


@asynccontextmanager
async def transport(url: str, **options: object) -> AsyncIterator[HttpTransport]:
    built = HttpTransport(url, **options)  # type: ignore[arg-type]
    try:
        yield built
    finally:
        await built.close()


def answering(status: int, body: bytes = b"{}", *headers: str) -> Answer:
    async def answer(head: str, writer: Writer) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return answer


def chunked(writer: Writer, *chunks: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for chunk in chunks:
        writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")


async def hang(head: str, writer: Writer) -> None:
    await asyncio.Event().wait()


async def reset(head: str, writer: Writer) -> None:
    writer.transport.abort()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_an_answer_of_any_status_is_returned_with_lower_case_headers() -> None:
    async with serving(answering(418, b"tea", "Retry-After: 3")) as server, transport(server.url + "/") as http:
        answer = await http.request("GET", "/pot", query={"labelSelector": "a in (b,c)"})
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (418, b"tea", "3")
    assert server.heads[0].startswith("GET /pot?labelSelector=a+in+(b,c) HTTP/1.1")


async def test_a_request_says_who_and_what_it_is() -> None:
    async with (
        serving(answering(200)) as server,
        transport(server.url, token="t0", user_agent="canary/9") as http,
    ):
        await http.request("PATCH", "/x", body=b"[]", content_type="application/json-patch+json")
    head = server.heads[0]
    for line in ("Authorization: Bearer t0", "User-Agent: canary/9", "Content-Type: application/json-patch+json"):
        assert line in head
    assert "Accept-Encoding: identity" in head


async def test_connections_are_used_again() -> None:
    async with serving(answering(200)) as server, transport(server.url) as http:
        await http.request("GET", "/a")
        await http.request("GET", "/b")
    assert len(set(server.peers)) == 1


async def test_a_refused_connection_is_unreachable() -> None:
    async with transport(f"http://127.0.0.1:{free_port()}") as http:
        with pytest.raises(Unreachable, match="cannot connect"):
            await http.request("PUT", "/x", body=b"{}")


async def test_an_unknown_host_is_unreachable() -> None:
    async with transport("http://nowhere.invalid") as http:
        with pytest.raises(Unreachable):
            await http.request("PUT", "/x", body=b"{}")


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["silent", "no TLS"])
async def test_a_handshake_that_fails_is_unreachable(reply: bytes) -> None:
    async def mute(reader: asyncio.StreamReader, writer: Writer) -> None:
        try:
            await reader.read(1 << 16)
            writer.write(reply)
            await reader.read()
        finally:
            writer.close()

    listener = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with transport(f"https://127.0.0.1:{port}") as http:
        with pytest.raises(Unreachable):
            await http.request("PUT", "/x", body=b"{}", timeout=0.3)
    listener.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "PATCH"])
async def test_a_reset_after_sending_is_ambiguous_and_the_request_is_not_sent_again(method: str) -> None:
    async with serving(answering(200)) as server, transport(server.url) as http:
        await http.request("GET", "/warm")
        server.answer = reset
        with pytest.raises(Ambiguous):
            await http.request(method, "/x", body=None if method == "GET" else b"{}")
    assert len(server.heads) == 2


async def test_no_answer_in_time_is_ambiguous() -> None:
    async with serving(hang) as server, transport(server.url) as http:
        with pytest.raises(Ambiguous, match=r"no answer within 0\.2 s"):
            await http.request("PUT", "/x", body=b"{}", timeout=0.2)


async def test_a_body_that_trickles_is_cut_at_the_deadline() -> None:
    async def trickle(head: str, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(trickle) as server, transport(server.url) as http:
        with pytest.raises(Ambiguous):
            await http.request("GET", "/x", timeout=0.3)


async def test_a_body_that_breaks_off_is_ambiguous() -> None:
    async def half(head: str, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        await writer.drain()
        writer.close()

    async with serving(half) as server, transport(server.url) as http:
        with pytest.raises(Ambiguous, match="broke off"):
            await http.request("PUT", "/x", body=b"{}")


async def test_a_huge_body_is_cut_while_it_streams() -> None:
    sent = 0

    async def flood(head: str, writer: Writer) -> None:
        nonlocal sent
        chunked(writer)
        for _ in range(50):
            writer.write(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
            await writer.drain()
            sent += 1

    async with serving(flood) as server, transport(server.url) as http:
        with pytest.raises(Ambiguous, match="longer than 65536 bytes"):
            await http.request("GET", "/x", max_body=65536)
        await asyncio.sleep(0.05)
    assert sent < 20


async def test_a_body_announced_as_huge_is_not_read() -> None:
    async def announce(head: str, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")

    async with serving(announce) as server, transport(server.url) as http:
        with pytest.raises(Ambiguous, match="longer than"):
            await http.request("GET", "/x", max_body=65536)


async def test_a_body_of_exactly_the_limit_is_whole() -> None:
    async with serving(answering(200, b"x" * 4096)) as server, transport(server.url) as http:
        assert len((await http.request("GET", "/x", max_body=4096)).body) == 4096


async def test_a_401_is_sent_once_more_with_the_rotated_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")

    async def guard(head: str, writer: Writer) -> None:
        await answering(200 if "Bearer new" in head else 401)(head, writer)

    async with (
        serving(guard) as server,
        transport(server.url, token=TokenFile(file, SystemClock())) as http,
    ):
        await http.request("GET", "/x")
        file.write_text("new\n")
        assert (await http.request("PUT", "/x", body=b"{}")).status == 200
    assert len(server.heads) == 4


async def test_a_lasting_401_is_returned_after_one_more_try(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("wrong")
    async with (
        serving(answering(401)) as server,
        transport(server.url, token=TokenFile(file, SystemClock())) as http,
    ):
        assert (await http.request("PUT", "/x", body=b"{}")).status == 401
    assert len(server.heads) == 2


async def test_a_missing_token_file_is_unreachable_and_nothing_is_sent(tmp_path: Path) -> None:
    async with (
        serving(answering(200)) as server,
        transport(server.url, token=TokenFile(tmp_path / "none", SystemClock())) as http,
    ):
        with pytest.raises(Unreachable, match="no credentials"):
            await http.request("PUT", "/x", body=b"{}")
    assert server.heads == []


async def test_a_redirect_is_not_followed() -> None:
    async with serving(answering(302, b"", "Location: http://127.0.0.1:1/")) as server, transport(server.url) as http:
        assert (await http.request("GET", "/x")).status == 302


async def test_a_closed_transport_is_unreachable() -> None:
    async with serving(answering(200)) as server, transport(server.url) as http:
        await http.close()
        with pytest.raises(Unreachable, match="closed"):
            await http.request("GET", "/x")


async def test_cancelling_a_request_drops_its_connection() -> None:
    asked = asyncio.Event()

    async def answer(head: str, writer: Writer) -> None:
        asked.set()

    async with serving(answer) as server, transport(server.url) as http:
        task = asyncio.create_task(http.request("GET", "/x"))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.left.wait(), 2)


# The client on top: kubernetes_asyncio has lost error statuses in one release already.


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (409, Conflict), (410, Gone), (302, KubeError)])
async def test_error_statuses_raise_through_the_client(status: int, error: type[KubeError]) -> None:
    async with serving(answering(status)) as server, transport(server.url) as http:
        client = Client(http, clock=SystemClock(), rng=random.Random(0))
        with pytest.raises(error):
            await client.get(SERVICES, "x", "ns")


# Streams.


async def lines_of(http: HttpTransport, idle: float = 5.0) -> list[bytes]:
    async with http.stream("/w", idle_timeout=idle) as lines:
        return [line async for line in lines]


async def test_a_stream_gives_whole_lines_and_drops_a_torn_last_one() -> None:
    async def answer(head: str, writer: Writer) -> None:
        text = '{"a":"é"}\n{"b":1}\n{"to'.encode()
        cut = text.index("é".encode()) + 1
        chunked(writer, text[:cut])
        await writer.drain()
        await asyncio.sleep(0.02)
        rest = text[cut:]
        writer.write(f"{len(rest):x}\r\n".encode() + rest + b"\r\n0\r\n\r\n")

    async with serving(answer) as server, transport(server.url) as http:
        assert await lines_of(http) == ['{"a":"é"}'.encode(), b'{"b":1}']


async def test_a_stream_takes_a_line_of_ten_megabytes() -> None:
    async def answer(head: str, writer: Writer) -> None:
        chunked(writer, b"x" * 10_000_000, b"\ny\n", b"")

    async with serving(answer) as server, transport(server.url) as http:
        assert [len(line) for line in await lines_of(http)] == [10_000_000, 1]


async def test_a_silent_stream_is_unreachable_after_the_idle_timeout() -> None:
    async def answer(head: str, writer: Writer) -> None:
        chunked(writer, b"one\n")
        await writer.drain()
        await hang(head, writer)

    async with (
        serving(answer) as server,
        transport(server.url) as http,
        http.stream("/w", idle_timeout=0.2) as lines,
    ):
        assert await anext(lines) == b"one"
        with pytest.raises(Unreachable, match=r"silent for 0\.2 s"):
            await anext(lines)


async def test_any_byte_postpones_the_idle_timeout() -> None:
    async def answer(head: str, writer: Writer) -> None:
        chunked(writer)
        for _ in range(6):
            writer.write(b"1\r\n\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.write(b"0\r\n\r\n")

    async with serving(answer) as server, transport(server.url) as http:
        assert await lines_of(http, idle=0.4) == []


async def test_a_stream_that_breaks_is_unreachable() -> None:
    async def answer(head: str, writer: Writer) -> None:
        chunked(writer, b"one\n")
        await writer.drain()
        writer.transport.abort()

    async with serving(answer) as server, transport(server.url) as http:
        with pytest.raises(Unreachable):
            await lines_of(http)


async def test_entering_a_stream_raises_the_error_of_its_status() -> None:
    status = json.dumps({"kind": "Status", "reason": "Expired", "message": "too old"}).encode()
    async with serving(answering(410, status, "Retry-After: 99")) as server, transport(server.url) as http:
        with pytest.raises(Gone, match="too old") as caught:
            await lines_of(http)
    assert caught.value.retry_after == 30.0


@pytest.mark.parametrize("answer", [hang, reset])
async def test_entering_a_stream_that_does_not_answer_is_unreachable(answer: Answer) -> None:
    async with serving(answer) as server, transport(server.url) as http:
        with pytest.raises(Unreachable):
            await lines_of(http, idle=0.2)


async def test_leaving_a_stream_early_closes_its_connection() -> None:
    async def answer(head: str, writer: Writer) -> None:
        chunked(writer, b"one\n", b"two\n")

    async with serving(answer) as server, transport(server.url) as http:
        async with http.stream("/w") as lines:
            assert await anext(lines) == b"one"
        await asyncio.wait_for(server.left.wait(), 2)
