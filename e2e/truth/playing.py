"""Plays a sequence of operations on one server, then reads what its watches have told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canary.kube.resources import NAMESPACES, Resource
from canary.kube.transport import Transport
from e2e.truth.bodies import Bodies, merged
from e2e.truth.comparing import Notes
from e2e.truth.operations import Operation
from e2e.truth.playable import CONTROLLED, Kind
from e2e.truth.probe import APPLY, END, Probe
from e2e.truth.settling import View, clean, quiet, view_like, view_of
from e2e.truth.sifting import ending, is_ours, narrowed, shown, sifted

_STREAM = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
_PAGES = 3
_METHODS = {"get": "GET", "create": "POST", "update": "PUT", "scale": "PUT", "delete": "DELETE"}


@dataclass(slots=True)
class Played:
    """What a server has answered, and what there was after each step that its controllers had to do with."""

    notes: Notes
    views: list[View]


async def play(
    transport: Transport, namespace: str, sequence: Sequence[Operation], expected: Sequence[View] | None = None
) -> Played:
    """Plays `sequence` in an existing, empty namespace, and empties it again.

    A server whose controllers take their time is waited for after each step until it shows the `expected` view, which
    the other server has shown; if it never does, that is a note. Without `expected`, controllers are taken to be done
    when a request is answered.
    """
    probe = Probe(transport, namespace, ownership=True)
    player = _Player(probe, Bodies(namespace), tuple(expected) if expected is not None else None)
    try:
        await player.run(sequence)
    finally:
        await clean(probe, {operation.kind.resource: None for operation in sequence})
    return Played(probe.notes, player.views)


@dataclass(slots=True)
class _Player:
    probe: Probe
    bodies: Bodies
    expected: tuple[View, ...] | None
    views: list[View] = field(default_factory=list)
    _watches: list[tuple[Operation, str]] = field(default_factory=list)

    async def run(self, sequence: Sequence[Operation]) -> None:
        collects = any(operation.collects for operation in sequence)
        resources = tuple({operation.resource: None for operation in sequence})
        kinds = {operation.kind.resource: operation.kind for operation in sequence}
        self.bodies.start = await self._version(sequence[0].kind.resource)
        if NAMESPACES in kinds:
            # It is there from the start, and its version may or may not be `start`.
            found = await self.probe.read(NAMESPACES, self.probe.namespace)
            assert found is not None
            self.bodies.see(NAMESPACES, self.probe.namespace, found)
        for number, operation in enumerate(sequence):
            await self._step(f"{number}. {operation}", operation)
            if collects:
                await self._settle(f"{number}. what is collected", tuple(kinds))
            if operation.resource in CONTROLLED:
                await self._quiet(operation.resource, operation.name)
        for kind in kinds.values():
            await self._end(kind)
        for resource in resources:
            await self._watch(f"every event of {resource.plural}.{resource.version}", resource, {}, self.bodies.start)
        for operation, version in self._watches:
            await self._watch(f"after all: {operation}", operation.resource, operation.query, version)

    async def _step(self, label: str, operation: Operation) -> None:
        match operation.verb:
            case "list":
                await self._list(label, operation, self._narrowed(operation))
            case "page":
                await self._pages(label, operation)
            case "stream":
                await self._stream(label, operation)
            case "watch":
                self._watches.append((operation, self.bodies.known(operation, operation.version, "resourceVersion")))
            case "deletecollection":
                await self._delete_many(label, operation)
            case _:
                await self._send(label, operation)

    # Requests

    async def _send(self, label: str, operation: Operation) -> None:
        body = self.bodies.of(operation)
        answer = await self.probe.send(
            label,
            _METHODS.get(operation.verb, "PATCH"),
            self._path(operation),
            body,
            query=operation.query,
            content_type=APPLY if operation.verb == "apply" else operation.content_type,
            compare=shown,
        )
        if operation.resource in CONTROLLED:
            # Its controller writes its status in between.
            self._forget_movement()
        metadata = answer.get("metadata", {}) if isinstance(answer, dict) else {}
        dry = "dryRun" in operation.query or (isinstance(body, dict) and "dryRun" in body)
        if "uid" in metadata and operation.sub != "scale" and not dry:
            self.bodies.see(operation.resource, operation.name, answer)

    async def _delete_many(self, label: str, operation: Operation) -> None:
        # What was there is among the events.
        path, query = self.probe.path(operation.resource), operation.query
        await self.probe.send(label, "DELETE", path, query=query, compare=lambda answer: answer["kind"])

    async def _list(self, label: str, operation: Operation, query: Mapping[str, str]) -> Any:
        def compared(listing: dict[str, Any]) -> Any:
            items = [shown(item) for item in listing["items"] if is_ours(operation.resource, item)]
            return {**listing, "metadata": {"continue": bool(listing["metadata"].get("continue"))}, "items": items}

        path = self.probe.path(operation.resource)
        return await self.probe.send(label, "GET", path, query=query, compare=compared)

    async def _pages(self, label: str, operation: Operation) -> None:
        first = query = {**self._narrowed(operation), "limit": "1"}
        for number in range(_PAGES):
            page = await self._list(f"{label} page {number}", operation, query)
            token = page["metadata"].get("continue") if "items" in page else None
            # After the last page comes the first one again.
            query = {**first, "continue": token} if token else first

    async def _stream(self, label: str, operation: Operation) -> None:
        query = {**self._narrowed(operation), **_STREAM}
        await self.probe.watch(label, operation.resource, query, last="", compare=shown)
        self._sift(operation.resource)

    # The end

    async def _end(self, kind: Kind) -> None:
        """Something that ends every watch: it is selected by each of them."""
        label = f"the end of {kind.resource.plural}"
        if kind.resource == NAMESPACES:
            patch = {"metadata": {"annotations": {END: ""}, "labels": {"app": "x"}}}
            await self.probe.patch(label, NAMESPACES, self.probe.namespace, patch, compare=lambda o: o["kind"])
            return
        made = merged(self.bodies.built(kind, "end"), {"metadata": {"annotations": {END: ""}}})
        await self.probe.create(label, kind.resource, made, compare=lambda o: o["kind"])

    async def _watch(self, label: str, resource: Resource, query: Mapping[str, str], version: str) -> None:
        query = {**ending(resource, query, self.probe.namespace), "resourceVersion": version}
        try:
            await self.probe.watch(label, resource, query, last="end", compare=shown)
        except TimeoutError:
            self.probe.note(label, "never ended")
            return
        self._sift(resource)

    def _sift(self, resource: Resource) -> None:
        label, events = self.probe.notes[-1]
        if isinstance(events, list):
            self.probe.notes[-1] = label, sifted(resource, events)

    def _forget_movement(self) -> None:
        note = self.probe.notes[-1][1]
        if isinstance(note, dict):
            note.pop("moved", None)

    # What the server's controllers do

    async def _settle(self, label: str, resources: tuple[Resource, ...]) -> None:
        done = len(self.views)
        if self.expected is not None and done < len(self.expected):
            view = await view_like(self.probe, resources, self.expected[done])
        else:
            view = await view_of(self.probe, resources)
        self.views.append(view)
        self.probe.note(label, view)

    async def _quiet(self, resource: Resource, name: str) -> None:
        waits = self.expected is not None
        found = await (quiet(self.probe, resource, name) if waits else self.probe.read(resource, name))
        if found is not None:
            self.bodies.see_instead(resource, name, found)

    # Names

    async def _version(self, resource: Resource) -> str:
        answer = await self.probe.transport.request("GET", self.probe.path(resource))
        version: str = json.loads(answer.body)["metadata"]["resourceVersion"]
        return version

    def _narrowed(self, operation: Operation) -> dict[str, str]:
        return narrowed(operation.resource, operation.query, self.probe.namespace)

    def _path(self, operation: Operation) -> str:
        if operation.verb == "create":
            return self.probe.path(operation.resource)
        name = self.bodies.name(operation.resource, operation.name)
        return self.probe.path(operation.resource, name, operation.sub)
