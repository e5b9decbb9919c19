"""Serves expositions to a Prometheus: counters that rise steadily, by one file's values every second.

It runs in a thread of its own, so that scrapes are answered whatever the test is doing.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from aiohttp import web

START_WITHIN = 10.0
_SAMPLE = re.compile(r"^(?P<series>[a-zA-Z_:][^ {]*(?:\{.*\})?) (?P<value>\S+)$")


class Exposed:
    """`/<name>` shows an exposition after so many seconds as `elapsed` says; `failing` names answer 500 instead."""

    def __init__(self, expositions: Mapping[str, str], elapsed: Callable[[], float]) -> None:
        self._expositions = expositions
        self._elapsed = elapsed
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="exposed", daemon=True)
        self.port = 0
        self.failing: set[str] = set()

    def start(self) -> None:
        self._thread.start()
        if not self._started.wait(START_WITHIN):
            raise RuntimeError("the expositions are not served")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_WITHIN)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_get("/{name}", self._answer)
        serving = web.AppRunner(app)
        await serving.setup()
        await web.TCPSite(serving, "127.0.0.1", 0).start()
        self.port = serving.addresses[0][1]
        self._started.set()
        await self._stop.wait()
        await serving.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name in self.failing:
            return web.Response(status=500)
        return web.Response(text=after(self._expositions[name], self._elapsed()))


def after(exposition: str, seconds: float) -> str:
    """An exposition of one second's traffic as it looks when so many have passed."""
    return "".join(f"{_multiplied(line, seconds)}\n" for line in exposition.splitlines())


def _multiplied(line: str, seconds: float) -> str:
    sample = None if line.startswith("#") else _SAMPLE.match(line)
    return line if sample is None else f"{sample['series']} {float(sample['value']) * seconds!r}"


def read(directory: Path) -> dict[str, str]:
    """The expositions of a directory, by name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(directory.glob("*.prom"))}
