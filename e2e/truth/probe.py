"""Sends requests to one server and notes what it answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from canary.kube.errors import ApiError
from canary.kube.resources import Resource
from canary.kube.transport import Transport
from e2e.truth.normal import failure, normal

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PATIENCE = 20.0
END = "e2e.test/end"


@dataclass(slots=True)
class Probe:
    """One run of a scenario on one server, in a namespace of its own. `ownership` compares field managers, too."""

    transport: Transport
    namespace: str
    ownership: bool = False
    notes: list[tuple[str, Any]] = field(default_factory=list)
    _versions: dict[str, str] = field(default_factory=dict)

    def note(self, label: str, what: Any) -> None:
        self.notes.append((label, what))

    async def send(
        self,
        label: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        compare: Callable[[Any], Any] | None = None,
    ) -> Any:
        """One request; notes its status, whether the object's resourceVersion moved, and the answer.

        `compare` chooses the part of a good answer that is noted. Returns the decoded answer.
        """
        raw = body if isinstance(body, bytes) or body is None else _compact(body)
        answer = await self.transport.request(
            method, path, query=query, body=raw, content_type=content_type, accept=accept
        )
        decoded = json.loads(answer.body) if answer.body.startswith((b"{", b"[")) else answer.body.decode()
        note: dict[str, Any] = {"code": answer.status, "warned": "warning" in answer.headers}
        note["warning"] = Unjudged(answer.headers.get("warning", ""))
        if answer.status >= 400:
            note["failure"] = failure(decoded) if isinstance(decoded, dict) else "no Status"
            note["message"] = Unjudged(decoded["message"] if isinstance(decoded, dict) else decoded)
        else:
            note["moved"] = self._moved(path, decoded)
            note["body"] = self._normal(compare(decoded) if compare else decoded)
        self.note(label, note)
        return decoded

    def forget_movement(self) -> None:
        """The last answer is about what a controller writes in between, too."""
        self.notes[-1][1].pop("moved", None)

    async def create(self, label: str, resource: Resource, obj: Any, **options: Any) -> Any:
        path = resource.path(self.namespace if resource.namespaced else None)
        return await self.send(label, "POST", path, {**typed(resource), **obj}, **options)

    async def get(self, label: str, resource: Resource, name: str, **options: Any) -> Any:
        return await self.send(label, "GET", self.path(resource, name), **options)

    async def replace(self, label: str, resource: Resource, name: str, obj: Any, **options: Any) -> Any:
        return await self.send(label, "PUT", self.path(resource, name, options.pop("sub", None)), obj, **options)

    async def patch(self, label: str, resource: Resource, name: str, patch: Any, **options: Any) -> Any:
        options.setdefault("content_type", MERGE)
        return await self.send(label, "PATCH", self.path(resource, name, options.pop("sub", None)), patch, **options)

    async def apply(
        self, label: str, resource: Resource, name: str, obj: Any, manager: str, *, force: bool = False, **options: Any
    ) -> Any:
        query = {"fieldManager": manager} | ({"force": "true"} if force else {})
        whole = {**typed(resource), "metadata": {"name": name}, **obj}
        return await self.patch(label, resource, name, whole, content_type=APPLY, query=query, **options)

    async def delete(self, label: str, resource: Resource, name: str, body: Any = None, **options: Any) -> Any:
        return await self.send(label, "DELETE", self.path(resource, name), body, **options)

    def path(self, resource: Resource, name: str | None = None, sub: str | None = None) -> str:
        return resource.path(self.namespace if resource.namespaced else None, name, sub)

    async def read(self, resource: Resource, name: str) -> dict[str, Any] | None:
        """The object now, without a note; `None` when there is none."""
        answer = await self.transport.request("GET", self.path(resource, name))
        return json.loads(answer.body) if answer.status == 200 else None

    async def until_gone(self, label: str, resource: Resource, name: str) -> None:
        """Waits for what the server's own controllers do in their own time."""
        await self._until(label, resource, name, lambda obj: obj is None)

    async def until(self, label: str, resource: Resource, name: str, check: Callable[[dict[str, Any]], bool]) -> None:
        await self._until(label, resource, name, lambda obj: obj is not None and check(obj))

    async def watch(
        self,
        label: str,
        resource: Resource,
        query: Mapping[str, str],
        *,
        last: str,
        compare: Callable[[Any], Any] | None = None,
    ) -> None:
        """Notes a watch's events up to the one about the object called `last`, or the end of initial events.

        An object that is annotated with `END` ends it, too. `compare` chooses the part of an object that is noted.
        """
        events: list[Any] = []
        parameters = {"watch": "true", **query}
        try:
            async with (
                asyncio.timeout(PATIENCE),
                self.transport.stream(self.path(resource), query=parameters) as lines,
            ):
                async for line in lines:
                    event = json.loads(line)
                    events.append(self._event(event, compare))
                    if _ends(event, last):
                        break
        except ApiError as error:
            self.note(label, {"code": error.code, "reason": error.reason})
            return
        self.note(label, events)

    def _event(self, event: dict[str, Any], compare: Callable[[Any], Any] | None) -> dict[str, Any]:
        obj = event["object"]
        if event["type"] == "ERROR":
            return {"type": "ERROR", "status": failure(obj)}
        if event["type"] == "BOOKMARK":
            annotations = sorted((obj["metadata"].get("annotations") or {}).items())
            return {"type": "BOOKMARK", "kind": obj.get("kind"), "annotations": annotations}
        return {"type": event["type"], "object": self._normal(compare(obj) if compare else obj)}

    def _normal(self, value: Any) -> Any:
        return normal(value, self.namespace, ownership=self.ownership)

    def _moved(self, path: str, decoded: Any) -> bool | None:
        metadata = decoded.get("metadata", {}) if isinstance(decoded, dict) else {}
        if "uid" not in metadata:
            return None
        # The answer to a dry creation has a uid, but no version.
        before, now = self._versions.get(metadata["uid"]), metadata.get("resourceVersion", "")
        self._versions[metadata["uid"]] = now
        return before is not None and before != now

    async def _until(
        self, label: str, resource: Resource, name: str, check: Callable[[dict[str, Any] | None], bool]
    ) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while not check(found := await self.read(resource, name)):
            if loop.time() > deadline:
                self.note(label, {"not within patience": found})
                return
            await asyncio.sleep(0.05)
        self.note(label, "happened")


def _compact(body: Any) -> bytes:
    """As the project's own client sends it: what is kept as text is compared with its spaces."""
    return json.dumps(body, separators=(",", ":")).encode()


class Unjudged(str):
    """Words that are shown beside a difference, and are none themselves."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)

    __hash__ = str.__hash__


def typed(resource: Resource) -> dict[str, str]:
    return {"apiVersion": resource.api_version, "kind": resource.kind}


def _ends(event: dict[str, Any], last: str) -> bool:
    metadata = event["object"].get("metadata") or {}
    if event["type"] == "BOOKMARK":
        return last == "" and "k8s.io/initial-events-end" in (metadata.get("annotations") or {})
    ended = END in (metadata.get("annotations") or {})
    return event["type"] == "ERROR" or ended or (bool(last) and metadata.get("name") == last)
