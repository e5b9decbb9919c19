"""A small API server without sockets, for tests of watches: it keeps Services, their history, and can misbehave."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from canary.kube.errors import Unreachable, error_for
from canary.kube.transport import Response

Obj = dict[str, Any]


class Stream:
    def __init__(self, namespace: str | None, selector: str) -> None:
        self.namespace = namespace
        self.selector = selector
        self.lines: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.last: bytes | None = None
        self.held: list[bytes] | None = None

    def matches(self, obj: Obj | None) -> bool:
        if obj is None or self.namespace not in (None, obj["metadata"]["namespace"]):
            return False
        key, _, value = self.selector.partition("=")
        return not key or obj["metadata"]["labels"].get(key) == value

    def send(self, kind: str, obj: Any) -> None:
        self.last = json.dumps({"type": kind, "object": obj}).encode()
        self.push(self.last)

    def push(self, line: bytes) -> None:
        if self.held is None:
            self.lines.put_nowait(line)
        else:
            self.held.append(line)

    def release(self) -> None:
        held, self.held = self.held or (), None
        for line in held:
            self.push(line)

    def swap(self) -> None:
        """Let the last two events that are held change places, if they are about two objects."""
        if self.held is None or len(self.held) < 2:
            return
        one, two = (_name(line) for line in self.held[-2:])
        if one and two and one != two:
            self.held[-2:] = reversed(self.held[-2:])

    def tell(self, before: Obj | None, after: Obj | None, version: int) -> None:
        """As the real server does: an object that leaves the selection is DELETED, with its new version."""
        if self.matches(after):
            self.send("MODIFIED" if self.matches(before) else "ADDED", after)
        elif self.matches(before):
            assert before is not None
            last = before["metadata"] | {"resourceVersion": str(version)}
            self.send("DELETED", before | {"metadata": last})


class ApiServer:
    """A `Transport`. `faults` are taken by the next requests and streams; `requests` keeps their path and query."""

    def __init__(self) -> None:
        self.version = 100
        self.objects: dict[tuple[str, str], Obj] = {}
        self.history: list[tuple[int, Obj | None, Obj | None]] = []
        self.compacted = 0
        self.faults: list[Exception | Response] = []
        self.requests: list[tuple[float, str, dict[str, str]]] = []
        self.streams: list[Stream] = []
        self.snapshots: dict[str, list[Obj]] = {}
        self.stale = 0
        self.dead: dict[str, int] = {}

    # What the world does.

    def put(self, namespace: str, name: str, *, spec: Any = None, labels: Mapping[str, str] | None = None) -> Obj:
        old = self.objects.get((namespace, name))
        self.version += 1
        uid = old["metadata"]["uid"] if old else f"uid-{self.version}"
        meta = {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": str(self.version)}
        new = {"metadata": meta | {"labels": dict(labels or {})}, "spec": {} if spec is None else spec}
        self.objects[namespace, name] = new
        self._commit(old, new)
        return new

    def delete(self, namespace: str, name: str) -> None:
        old = self.objects.pop((namespace, name), None)
        if old is not None:
            self.version += 1
            self._commit(old, None)

    def _commit(self, old: Obj | None, new: Obj | None) -> None:
        self.history.append((self.version, old, new))
        if old is not None and new is None:
            self.dead[old["metadata"]["uid"]] = self.version
        for stream in self.streams:
            stream.tell(old, new, self.version)

    def state_of(self, commits: int) -> tuple[int, dict[tuple[str, str], Obj]]:
        """The version and the objects of so many commits ago."""
        objects, version = dict(self.objects), self.version
        for number, old, new in reversed(self.history[max(0, len(self.history) - commits) :]):
            key = _key(old or new or {})
            if old is None:
                objects.pop(key)
            else:
                objects[key] = old
            version = number - 1
        return version, objects

    def restore(self, commits: int) -> None:
        """Put back a backup of so many commits ago, as etcd is restored: versions go on far ahead, all history is gone.

        Source: etcd documentation, "Disaster recovery" (revision bump and mark as compacted).
        """
        _, self.objects = self.state_of(commits)
        self.version += 1000
        self.history.clear()
        self.compact()
        self.cut()

    # What the network and the server do.

    def bookmark(self) -> None:
        for stream in self.streams:
            stream.send("BOOKMARK", {"kind": "Service", "metadata": {"resourceVersion": str(self.version)}})

    def error(self, code: int, reason: str = "Expired") -> None:
        for stream in self.streams:
            stream.send("ERROR", {"kind": "Status", "metadata": {}, "code": code, "reason": reason})

    def again(self) -> None:
        for stream in self.streams:
            if stream.last is not None and b"ERROR" not in stream.last:
                stream.push(stream.last)

    def raw(self, line: bytes) -> None:
        for stream in self.streams:
            stream.push(line)

    def hold(self) -> None:
        """From now on watches are told nothing, but it is kept for them."""
        for stream in self.streams:
            stream.held = stream.held or []

    def release(self) -> None:
        for stream in self.streams:
            stream.release()

    def swap(self) -> None:
        for stream in self.streams:
            stream.swap()

    def cut(self, error: Exception | None = None) -> None:
        for stream in self.streams:
            stream.lines.put_nowait(error)
        self.streams.clear()

    def compact(self) -> None:
        self.compacted = self.version
        self.snapshots.clear()

    # The transport.

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None, **_: Any) -> Response:
        query = dict(query or {})
        self._enter(path, query)
        await asyncio.sleep(0.01)
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        token = query.get("continue")
        if token is None:
            wanted = Stream(_namespace(path), query.get("labelSelector", ""))
            number, objects = self.state_of(self.stale)
            self.stale = 0
            rest, version = [obj for obj in objects.values() if wanted.matches(obj)], str(number)
        elif token in self.snapshots:
            rest, version = self.snapshots.pop(token), token.split("/")[0]
        else:
            return Response(410, b'{"kind":"Status","reason":"Expired"}')
        limit = int(query.get("limit") or len(rest) + 1)
        meta: Obj = {"resourceVersion": version}
        if rest[limit:]:
            meta["continue"] = f"{version}/{len(rest)}"
            self.snapshots[meta["continue"]] = rest[limit:]
        return Response(200, json.dumps({"metadata": meta, "items": rest[:limit]}).encode())

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, idle_timeout: float = 70.0
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        query = dict(query or {})
        self._enter(path, query)
        await asyncio.sleep(0.01)
        if self.faults:
            fault = self.faults.pop(0)
            raise fault if isinstance(fault, Exception) else error_for(fault.status, fault.body)
        since = int(query["resourceVersion"])
        if since < self.compacted:
            raise error_for(410, b'{"kind":"Status","reason":"Expired"}')
        stream = Stream(_namespace(path), query.get("labelSelector", ""))
        for version, old, new in self.history:
            if version > since:
                stream.tell(old, new, version)
        self.streams.append(stream)
        try:
            yield self._lines(stream, float(query["timeoutSeconds"]), idle_timeout)
        finally:
            if stream in self.streams:
                self.streams.remove(stream)

    async def _lines(self, stream: Stream, lifetime: float, idle: float) -> AsyncIterator[bytes]:
        end = asyncio.get_running_loop().time() + lifetime
        while True:
            left = end - asyncio.get_running_loop().time()
            try:
                # Not wait_for: before Python 3.12 it loses a cancellation that comes with a result.
                async with asyncio.timeout(min(left, idle)):
                    item = await stream.lines.get()
            except TimeoutError:
                if left <= idle:
                    return
                raise Unreachable("silent") from None
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item

    async def close(self) -> None:
        self.cut()

    def _enter(self, path: str, query: dict[str, str]) -> None:
        self.requests.append((asyncio.get_running_loop().time(), path, query))


def _namespace(path: str) -> str | None:
    found = re.search("/namespaces/([^/]+)/", path)
    return found.group(1) if found else None


def _key(obj: Obj) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _name(line: bytes) -> tuple[str, str] | None:
    """The object that an event is about; `None` for bookmarks and for what is no event."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return _key(event["object"]) if event["type"] in ("ADDED", "MODIFIED", "DELETED") else None


@pytest.fixture(scope="session")
def new_server() -> type[ApiServer]:
    return ApiServer
