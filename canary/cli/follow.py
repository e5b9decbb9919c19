"""Canaries as they change: one list, then a watch that is opened again for as long as somebody looks."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec

from canary.cli.canaries import CANARIES, View, view_of
from canary.kube.backoff import Backoff
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.errors import ApiError, Forbidden, KubeError, Unauthorized, error_for
from canary.kube.store import Key

PAUSE = Backoff(base=0.5, cap=10.0)


@dataclass(frozen=True, slots=True)
class Change:
    """A Canary as it is now, or as it was last before it was deleted."""

    view: View
    deleted: bool = False


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: dict[str, Any]


class _Outdated(Exception):
    """The watch cannot go on from where it was; only a new list helps."""


class Follower:
    """Follows the Canaries of `namespace` (`None`: of all), or the one called `name`.

    `trouble` is told, once each time, that the connection is lost.
    """

    def __init__(
        self,
        client: Client,
        namespace: str | None,
        name: str = "",
        *,
        clock: Clock,
        rng: random.Random,
        trouble: Callable[[str], None],
    ) -> None:
        self._client, self._namespace, self._name = client, namespace, name
        self._clock, self._rng, self._trouble = clock, rng, trouble
        self._known: dict[Key, View] = {}
        self._version = ""

    async def changes(self) -> AsyncGenerator[list[Change], None]:
        """First everything there is (perhaps nothing), then what changes, for ever.

        Raises the error of the first list, and later `Forbidden` and `Unauthorized`; other faults pass.
        """
        yield await self._list()
        failures = 0
        while True:
            try:
                if not self._version:
                    yield await self._list()
                async with aclosing(self._watch()) as stream:
                    async for change in stream:
                        failures = 0
                        yield [change]
                await self._clock.sleep(PAUSE.delay(1, self._rng))
            except _Outdated:
                self._version = ""
                await self._clock.sleep(PAUSE.delay(1, self._rng))
            except (Forbidden, Unauthorized):
                raise
            except KubeError as error:
                failures += 1
                if failures == 1:
                    self._trouble(f"connection lost, trying again: {error}")
                if isinstance(error, ApiError):
                    self._version = ""
                await self._clock.sleep(PAUSE.delay(failures, self._rng))

    @property
    def _selector(self) -> str:
        return f"metadata.name={self._name}" if self._name else ""

    async def _list(self) -> list[Change]:
        """What is new since the last list or event."""
        listing = await self._client.list(CANARIES, self._namespace, field_selector=self._selector)
        views = {_key(view): view for view in map(_typed, listing.items)}
        gone = [Change(view, deleted=True) for key, view in self._known.items() if key not in views]
        new = [Change(view) for key, view in views.items() if not _same(view, self._known.get(key))]
        self._known, self._version = views, listing.resource_version
        return gone + new

    async def _watch(self) -> AsyncGenerator[Change, None]:
        stream = self._client.watch(
            CANARIES, self._namespace, resource_version=self._version, field_selector=self._selector
        )
        async with stream as lines:
            async for line in lines:
                try:
                    change = self._received(msgspec.json.decode(line, type=_Event))
                except (msgspec.MsgspecError, KeyError) as error:
                    raise _Outdated from error
                if change is not None:
                    yield change

    def _received(self, event: _Event) -> Change | None:
        if event.type == "ERROR":
            error = error_for(int(event.object.get("code") or 500), msgspec.json.encode(event.object))
            raise _Outdated from error
        self._version = event.object["metadata"]["resourceVersion"]
        if event.type not in ("ADDED", "MODIFIED", "DELETED"):
            return None
        view = view_of(event.object)
        if event.type == "DELETED":
            self._known.pop(_key(view), None)
            return Change(view, deleted=True)
        self._known[_key(view)] = view
        return Change(view)


def _typed(item: dict[str, Any]) -> View:
    """An item of a list, with the type that lists of an API server may leave out."""
    return view_of({"apiVersion": CANARIES.api_version, "kind": CANARIES.kind} | item)


def _key(view: View) -> Key:
    return view.metadata.namespace, view.metadata.name


def _same(view: View, before: View | None) -> bool:
    return before is not None and before.metadata.resource_version == view.metadata.resource_version
