"""An open-loop load: requests leave at the times of a schedule, however slow the answers are, and each is recorded.

A closed loop would send less to a slow release and so hide how slow it is. (B. Schroeder et al., "Open Versus Closed: A
Cautionary Tale", NSDI 2006.) Latency counts from when a request was due, not from when it was sent, so that a client
that is late does not flatter the server.

Run as `python -m e2e.dataplane.load PORT HOST RATE SECONDS FILE [--poisson SEED]`: GETs to 127.0.0.1:PORT for HOST. It
sends nothing more after SIGTERM or at the end of its standard input, and ends when every request has its outcome.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import aiohttp
import msgspec

from e2e.dataplane.addresses import HOST
from e2e.dataplane.requests import Request
from e2e.dataplane.server import POD_HEADER, VERSION_HEADER

MOST_SECONDS = 600.0
MOST_REQUESTS = 100_000
MOST_UNDER_WAY = 2000
TIMEOUT = 10.0


def schedule(rate: float, seconds: float, rng: random.Random | None) -> Iterator[float]:
    """Seconds from the start at which requests are due: evenly, or with `rng` as a Poisson process.

    Raises `ValueError` for a load that is beyond the bounds of this module.
    """
    if not (rate > 0 and 0 < seconds <= MOST_SECONDS and rate * seconds <= MOST_REQUESTS):
        bounds = f"at most {MOST_REQUESTS} requests in at most {MOST_SECONDS:g} s"
        raise ValueError(f"{bounds}, not {rate:g}/s for {seconds:g} s")
    return _times(rate, seconds, rng)


def _times(rate: float, seconds: float, rng: random.Random | None) -> Iterator[float]:
    due, sent = 0.0, 0
    while due < seconds and sent < MOST_REQUESTS:
        yield due
        sent += 1
        due = sent / rate if rng is None else due + rng.expovariate(rate)


class Load:
    """Sends the requests of a schedule and writes each to `file` when its outcome is known."""

    def __init__(self, port: int, host: str, file: BinaryIO) -> None:
        self._url = f"http://{HOST}:{port}/"
        self._host = host
        self._file = file
        self._stopped = asyncio.Event()
        self._under_way = 0

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped.set()

    async def run(self, times: Iterator[float]) -> None:
        """Returns when every request that was sent has its outcome."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session,
            asyncio.TaskGroup() as tasks,
        ):
            start = time.monotonic()
            for offset in times:
                if await self._stops_before(start + offset):
                    return
                tasks.create_task(self._send(session, start + offset))

    async def _stops_before(self, moment: float) -> bool:
        wait = moment - time.monotonic()
        if wait > 0 and not self._stopped.is_set():
            try:
                await asyncio.wait_for(self._stopped.wait(), wait)
            except TimeoutError:
                return False
        return self._stopped.is_set()

    async def _send(self, session: aiohttp.ClientSession, due: float) -> None:
        sent = time.monotonic()
        if self._under_way >= MOST_UNDER_WAY:
            self._note(Request(due, sent, sent, 0, "", "", "not sent: too many requests were under way"))
            return
        status, version, pod, error = 0, "", "", ""
        self._under_way += 1
        try:
            async with session.get(self._url, headers={"Host": self._host}) as answer:
                await answer.read()
                status = answer.status
                version, pod = answer.headers.get(VERSION_HEADER, ""), answer.headers.get(POD_HEADER, "")
        except (aiohttp.ClientError, TimeoutError) as caught:
            error = repr(caught)
        finally:
            self._under_way -= 1
        self._note(Request(due, sent, time.monotonic(), status, version, pod, error))

    def _note(self, request: Request) -> None:
        self._file.write(msgspec.json.encode(request) + b"\n")
        self._file.flush()


async def _main(arguments: argparse.Namespace) -> None:
    rng = None if arguments.poisson is None else random.Random(arguments.poisson)
    with arguments.file.open("ab") as file:
        load = Load(arguments.port, arguments.host, file)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, load.stop)
        loop.add_reader(sys.stdin.fileno(), _at_end_of_input, loop, load)
        await load.run(schedule(arguments.rate, arguments.seconds, rng))


def _at_end_of_input(loop: asyncio.AbstractEventLoop, load: Load) -> None:
    loop.remove_reader(sys.stdin.fileno())
    load.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("host")
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    parser.add_argument("file", type=Path)
    parser.add_argument("--poisson", type=int)
    asyncio.run(_main(parser.parse_args()))
