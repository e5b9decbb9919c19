"""A process of its own: many sidecars at the addresses of 127.0.0.0/8, which answer like Envoy.

python -m bench.proxies BYTES
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count

import msgspec

PAGES = 60
"""Different answers; a connection gets one after the other, and then begins anew as if it had been restarted."""
_BOUNDS = (
    0.5,
    1,
    5,
    10,
    25,
    50,
    100,
    250,
    500,
    1000,
    2500,
    5000,
    10000,
    30000,
    60000,
    300000,
    600000,
    1800000,
    3600000,
)


def page(number: int, size: int) -> bytes:
    """About `size` bytes of Envoy's text: what the pod received, and clusters that it sends to.

    From one number to the next there are 10 more requests, of which 5 failed.
    """
    ours = '{envoy_cluster_name="inbound|8080||"'
    wanted = [
        f'envoy_cluster_upstream_rq{{envoy_response_code="{code}",{ours[1:]}}} {5 * number}' for code in (200, 503)
    ]
    wanted += [f'envoy_cluster_upstream_rq_time_bucket{ours},le="{le}"}} {10 * number}' for le in (*_BOUNDS, "+Inf")]
    lines = ["# TYPE envoy_server_uptime gauge", f"envoy_server_uptime{{}} {number}", *wanted]
    for other in count():
        theirs = f'{{envoy_cluster_name="outbound|80||service-{other}.default.svc.cluster.local"}}'
        lines += [f"envoy_cluster_upstream_{name}{theirs} {number}" for name in ("cx_total", "rq_total", "rq_pending")]
        if sum(map(len, lines)) + len(lines) >= size:
            break
    return "".join(f"{line}\n" for line in lines).encode()


def answer(body: bytes) -> bytes:
    """Envoy's admin interface does not know how long its answer will be."""
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


class Sidecar(asyncio.Protocol):
    """One connection; a request is whatever arrives at once, which is true of a client that waits for answers."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self._next = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # it is a server's
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answers[self._next % len(self._answers)])
        self._next += 1


async def main(size: int) -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    answers = [answer(page(number, size)) for number in range(1, PAGES + 1)]
    server = await loop.create_server(lambda: Sidecar(answers), "0.0.0.0", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    print(msgspec.json.encode({"port": port, "bytes": len(answers[0])}).decode(), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
