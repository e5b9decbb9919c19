"""Everything that the demo needs, up for as long as it runs: cluster, API server, users, and the real controller."""

from __future__ import annotations

import asyncio
import random
import secrets
import shlex
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from canary.kube.clock import Clock
from canary.sandbox.app import App
from canary.sandbox.demo.managed_play import ManagedPlay
from canary.sandbox.demo.managed_report import managed_problem, managed_report
from canary.sandbox.demo.play import Play, TooLong
from canary.sandbox.demo.process import ControllerEnded, controller, ended, last_words
from canary.sandbox.demo.report import problem, report
from canary.sandbox.demo.scenario import SCENES
from canary.sandbox.demo.view import View
from canary.sandbox.embedded import EmbeddedCluster, Mesh
from canary.sandbox.load import Load

START = 0.5
"""Seconds from a pod's creation to its readiness."""
DRAIN = 1.0
"""Seconds for the last answers when the users leave."""
FORGET = 5.0
"""Seconds between two times at which a demo that is kept up forgets what its users got."""
_FOREVER = 1e9


DEFAULT_RATE = 120.0


class DemoFailed(Exception):
    """The demo did not end as it must; the message says what happened."""


class Interrupted(Exception):
    """The demo was stopped before its end."""


@dataclass(frozen=True, slots=True)
class Options:
    """`port` 0 is a free one; `rate` are the users' requests per second; with `keep` the cluster stays up."""

    seed: int
    keep: bool = False
    port: int = 0
    rate: float = DEFAULT_RATE


@dataclass(slots=True)
class Demo:
    """One demo. `command` starts the controller for a kubeconfig; `write` takes the lines of the result."""

    options: Options
    view: View
    write: Callable[[Text | str], None]
    command: Callable[[Path], Sequence[str]]
    clock: Clock
    _over: bool = False
    _problem: str = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Show it to its end; with `keep`, until `stop`. Whatever happens, nothing that it started is left.

        Raises `DemoFailed`, and `Interrupted` when `stop` is set before the end.
        """
        try:
            await first(stop.wait(), self._in_directory())
        except (ControllerEnded, TooLong, TimeoutError, OSError) as error:
            raise DemoFailed(str(error) or type(error).__name__) from error
        finally:
            self.view.close()
        if not self._over:
            raise Interrupted
        if self._problem:
            raise DemoFailed(self._problem)

    async def _in_directory(self) -> None:
        with tempfile.TemporaryDirectory(prefix="canary-demo-") as directory:
            await self._on_stage(Path(directory) / "kubeconfig", Path(directory) / "controller.log")

    async def _on_stage(self, kubeconfig: Path, log: Path) -> None:
        options, rng = self.options, random.Random(self.options.seed)
        async with EmbeddedCluster(self.clock, rng, mesh=Mesh.HTTP, start_delay=START) as cluster:
            server = await cluster.serve(port=options.port, token=secrets.token_urlsafe(24))
            server.write_kubeconfig(kubeconfig)
            load = Load(self.clock, rng, rate=options.rate)
            play = Play(cluster, load, self.view)
            play.tell(f"the embedded cluster listens at {server.url} (seed {options.seed})")
            await play.prepare()
            url = await cluster.listen(play.app.namespace, play.app.name)
            play.tell(f"{play.app.name} v1 runs; users send {options.rate:g} requests/s to {url}")
            async with controller(self.command(kubeconfig), log) as process:
                play.tell(f"the controller runs: canary run, process {process.pid}")
                show = self._show(play, kubeconfig, log)
                try:
                    await first(show, ended(process), load.run(url, _FOREVER))
                except (ControllerEnded, TooLong):
                    self._explain(log)
                    raise

    def _explain(self, log: Path) -> None:
        self.view.close()
        self.write("The controller's last words:")
        for line in last_words(log):
            self.write(line)

    async def _managed(self, play: Play) -> ManagedPlay:
        """The same again for people who have one Deployment, with users of its own."""
        load = Load(self.clock, random.Random(self.options.seed), rate=self.options.rate)
        managed = ManagedPlay(play.cluster, load, self.view, began=play.began, earlier=play.endings)
        await managed.prepare()
        url = await play.cluster.listen(managed.app.namespace, managed.app.name)
        managed.tell(f"one Deployment {managed.app.name} serves v1; users send {load.rate:g} requests/s to {url}")
        await first(self._drained(managed), load.run(url, _FOREVER))
        return managed

    async def _drained(self, managed: ManagedPlay) -> None:
        await managed.perform()
        managed.load.rate = 0
        await self.clock.sleep(DRAIN)

    async def _show(self, play: Play, kubeconfig: Path, log: Path) -> None:
        await play.perform()
        play.load.rate = 0
        self._problem = problem(play.results, len(SCENES))
        managed = await self._managed(play) if not self._problem else None
        self.view.close()
        for row in report(play.results, play.load.by_version()):
            self.write(row)
        if managed is not None:
            self.write("")
            for row in managed_report(managed.played):
                self.write(row)
            self._problem = managed_problem(managed.played)
        self._over = True
        self.write("")
        self.write(self._problem or "All releases ended as they must.")
        if self.options.keep:
            for line in _instructions(play.app, kubeconfig, log):
                self.write(line)
            play.load.rate = self.options.rate
            while True:
                play.load.outcomes.clear()
                await self.clock.sleep(FORGET)


async def first(*works: Coroutine[Any, Any, object]) -> None:
    """Run all until the first one ends; on return the others have been cancelled and have ended, too.

    Raises what the first one raised.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _instructions(app: App, kubeconfig: Path, log: Path) -> Iterator[str]:
    name = f"{app.name} -n {app.namespace}"
    yield ""
    yield "The cluster, its users and the controller stay up until Ctrl-C. In another terminal:"
    yield f"  export KUBECONFIG={shlex.quote(str(kubeconfig))}"
    yield f"  kubectl get canaries.canary.delivery,trafficsplits -n {app.namespace}"
    yield f"  kubectl describe canaries.canary.delivery {name}"
    yield f"  canary status {name} --watch"
    yield f"  canary retry {name}        # rolls the slow release out once more"
    yield f"The controller's log: {log}"
