"""One GET to one proxy: over real sockets, since what can go wrong is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.metrics.proxies.fetch import MAX_BODY, FetchError, HttpFetch

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nm 1\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nm \r\n2;x=y\r\n1\n\r\n0\r\n\r\n"


class Proxy:
    """Answers each request with the next of `answers`, the last one again and again, piece by piece; `None` hangs."""

    def __init__(self, *answers: list[bytes] | None, hang_up: bool = False) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.closed = asyncio.Event()
        self.hang_up = hang_up
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer is None:
                    await reader.read()
                    return
                for piece in answer:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if self.hang_up:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            self.closed.set()
            writer.close()


@asynccontextmanager
async def running(proxy: Proxy, host: str = "127.0.0.1") -> AsyncIterator[HttpFetch]:
    server = await asyncio.start_server(proxy.serve, host, 0)
    proxy.port = server.sockets[0].getsockname()[1]
    fetch = HttpFetch()
    try:
        yield fetch
    finally:
        await fetch.close()
        server.close()
        await server.wait_closed()


async def get(fetch: HttpFetch, proxy: Proxy, target: str = "/metrics", timeout: float = 5.0) -> bytes:
    return await fetch.get("127.0.0.1", proxy.port, target, timeout=timeout)


async def refused(*answer: bytes, hang_up: bool = False, timeout: float = 5.0) -> str:
    """The words for an answer that is not taken."""
    proxy = Proxy(list(answer), hang_up=hang_up)
    async with running(proxy) as fetch:
        with pytest.raises(FetchError) as error:
            await get(fetch, proxy, timeout=timeout)
    return str(error.value)


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED], ids=["length", "chunked"])
async def test_the_body_of_an_answer_is_returned(answer: bytes) -> None:
    proxy = Proxy([answer])
    async with running(proxy) as fetch:
        assert await get(fetch, proxy) == b"m 1\n"


async def test_path_and_query_arrive_as_they_were_meant() -> None:
    proxy = Proxy([PLAIN])
    query = {"usedonly": "", "filter": r"^cluster\.in|.*_(\d|time)$", "other": "a+b c&d=e#f%20;é"}
    async with running(proxy) as fetch:
        await get(fetch, proxy, f"/stats/prometheus?{urlencode(query, quote_via=quote, safe='')}")
    head, *headers = proxy.requests[0].decode().lower().split("\r\n")
    method, target, version = head.split(" ")
    assert (method, urlsplit(target).path, version) == ("get", "/stats/prometheus", "http/1.1")
    assert dict(parse_qsl(urlsplit(target).query, keep_blank_values=True)) == query
    assert {"accept: text/plain;version=0.0.4", "accept-encoding: identity"} <= set(headers)


async def test_a_connection_serves_many_reads() -> None:
    proxy = Proxy([PLAIN], [CHUNKED])
    async with running(proxy) as fetch:
        for _ in range(10):
            await get(fetch, proxy)
    assert (proxy.connections, len(proxy.requests)) == (1, 10)


async def test_a_connection_that_the_proxy_closed_meanwhile_costs_no_read() -> None:
    proxy = Proxy([PLAIN], hang_up=True)
    async with running(proxy) as fetch:
        for _ in range(3):
            assert await get(fetch, proxy) == b"m 1\n"
    assert proxy.connections == 3


async def test_a_connection_that_nobody_uses_is_closed() -> None:
    proxy = Proxy([PLAIN])
    async with running(proxy):
        fetch = HttpFetch(idle=0.01)
        await get(fetch, proxy)
        async with asyncio.timeout(5):
            await proxy.closed.wait()
        assert proxy.open == 0
        await fetch.close()


async def test_an_ipv6_address_is_read() -> None:
    proxy = Proxy([PLAIN])
    async with running(proxy, "::1") as fetch:
        assert await fetch.get("::1", proxy.port, "/", timeout=5.0) == b"m 1\n"
    assert f"\r\nhost: [::1]:{proxy.port}\r\n".encode() in proxy.requests[0].lower()


@pytest.mark.parametrize("status", [b"404 Not Found", b"503 Service Unavailable", b"204 No Content", b"301 Moved"])
async def test_another_status_is_an_error(status: bytes) -> None:
    answer = b"HTTP/1.1 " + status + b"\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"
    assert await refused(answer) == f"the answer is {status.decode()}"


async def test_nobody_listening_is_an_error_that_says_where() -> None:
    proxy = Proxy([PLAIN])
    async with running(proxy) as fetch:
        port = proxy.port
    fetch = HttpFetch()
    with pytest.raises(FetchError, match=f"cannot connect to 127.0.0.1:{port}"):
        await fetch.get("127.0.0.1", port, "/", timeout=5.0)
    await fetch.close()


async def test_a_proxy_that_does_not_answer_is_left_in_time() -> None:
    proxy = Proxy(None)
    async with running(proxy) as fetch:
        with pytest.raises(FetchError, match=r"no answer within 0\.05 s"):
            await get(fetch, proxy, timeout=0.05)
        async with asyncio.timeout(5):
            await proxy.closed.wait()
        assert proxy.open == 0


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nm 1\n", id="short"),
        pytest.param(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nm 1\n\r\n", id="no last chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nm ", id="within a chunk"),
        pytest.param(b"HTTP/1.1 200", id="no headers"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00\xff\r\n\r\n", id="noise"),
        pytest.param(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", id="no chunk"),
    ],
)
async def test_an_answer_that_breaks_off_or_is_no_http_is_an_error(answer: bytes) -> None:
    assert "broke off" in await refused(answer, hang_up=True)


async def test_an_answer_that_ends_with_its_connection_could_have_been_longer() -> None:
    assert "where it ends" in await refused(b"HTTP/1.1 200 OK\r\n\r\nm 1\n", hang_up=True)


async def test_an_answer_that_says_it_is_too_long_is_not_waited_for() -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {MAX_BODY + 1}\r\n\r\n".encode()
    assert await refused(head) == f"the answer is longer than {MAX_BODY} bytes"


async def test_an_answer_without_end_is_left() -> None:
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *[piece] * 100]
    assert await refused(*answer) == f"the answer is longer than {MAX_BODY} bytes"


def pieces(answer: bytes) -> st.SearchStrategy[list[bytes]]:
    """Every way to split an answer."""
    cuts = st.lists(st.integers(0, len(answer)), max_size=8).map(sorted)
    return cuts.map(lambda at: [answer[low:high] for low, high in zip([0, *at], [*at, len(answer)], strict=True)])


@settings(max_examples=25, deadline=None)
@given(st.one_of(pieces(PLAIN), pieces(CHUNKED)))
def test_it_does_not_matter_how_the_bytes_arrive(answer: list[bytes]) -> None:
    async def read() -> bytes:
        proxy = Proxy(answer)
        async with running(proxy) as fetch:
            return await get(fetch, proxy)

    assert asyncio.run(read()) == b"m 1\n"
