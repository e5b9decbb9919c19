"""The application: an HTTP server that fails and dawdles as a file says.

`python -m e2e.dataplane.server`, with PORT, VERSION, POD_NAME and BEHAVIOUR (the path of the file) in the environment.

    GET /ready      200, or 503 when the behaviour says so, and while it ends
    GET /identity   {"pid": …, "pod": …, "version": …}
    GET anything    200, or the status of a failure; X-Version and X-Pod say who answered

SIGTERM: the probe fails from then on, and every answer asks for its connection to be closed, for as long as routes may
still lead here; then the process ends. It also ends, at once, with its standard input: it does not outlive its kubelet.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from e2e.dataplane.addresses import HOST
from e2e.dataplane.behaviour import BehaviourFile

VERSION_HEADER = "X-Version"
POD_HEADER = "X-Pod"
DRAIN = 2.0
"""Seconds for which an ending server goes on answering: its callers learn of it by way of the API server."""
KEEP_ALIVE = 3600.0
"""Connections are left to the caller to close: a request could cross with our end of one."""


class Application:
    """One Pod's server."""

    def __init__(self, version: str, pod: str, behaviour: BehaviourFile, rng: random.Random) -> None:
        self._headers = {VERSION_HEADER: version, POD_HEADER: pod}
        self._identity: dict[str, Any] = {"pid": os.getpid(), "pod": pod, "version": version}
        self._behaviour = behaviour
        self._rng = rng
        self.ending = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        answer = await self._answer(request.path)
        if self.ending:
            answer.force_close()
        return answer

    async def _answer(self, path: str) -> web.Response:
        behaviour = self._behaviour.current()
        if path == "/ready":
            return web.Response(status=200 if behaviour.is_ready(self._identity["pod"]) and not self.ending else 503)
        if path == "/identity":
            return web.json_response(self._identity)
        failed = behaviour.fails(time.monotonic(), self._rng)
        await asyncio.sleep(behaviour.latency(self._rng))
        return web.Response(status=behaviour.status if failed else 200, headers=self._headers)


async def serve(application: Application, port: int, drain: float) -> None:
    """Answers until SIGTERM, and `drain` seconds longer."""
    terminated = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, terminated.set)
    loop.add_reader(sys.stdin.fileno(), os._exit, 0)
    runner = web.ServerRunner(web.Server(application.handle, keepalive_timeout=KEEP_ALIVE))
    await runner.setup()
    await web.TCPSite(runner, HOST, port, backlog=512).start()
    await terminated.wait()
    application.ending = True
    await asyncio.sleep(drain)
    await runner.cleanup()


if __name__ == "__main__":
    environment = os.environ
    asyncio.run(
        serve(
            Application(
                environment["VERSION"],
                environment["POD_NAME"],
                BehaviourFile(Path(environment["BEHAVIOUR"])),
                random.Random(),
            ),
            int(environment["PORT"]),
            DRAIN,
        )
    )
