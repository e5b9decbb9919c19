"""Every change that was stored, in the order of etcd: what a rollout is judged by, whatever anybody reports.

Source: etcd documentation, "gRPC gateway" (the JSON form of Range, Put and Watch). etcd is watched itself because it
misses nothing while the API server is down, and numbers the changes of all kinds by one revision.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from canary.sandbox.oracle import WORKLOAD

_FROM, _TO, _MARKS = "/registry/", "/registry0", "/registry/e2e-marks/"
_KEY = re.compile(r"/registry/(?:[^/]+\.[^/]+/)?(?P<plural>[^/]+)/(?P<namespace>[^/]+)/(?P<name>[^/]+)")
_SERVICES = "/registry/services/specs/"
"""Where Services are, unlike everything else."""
_KEPT = WORKLOAD | {"canaries", "trafficsplits", "endpointslices", "leases"}
_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Commit:
    """One change: the object before and after, `None` where there was none. `monotonic` is when it was heard of.

    `manager` is the field manager of the write, empty when nobody can tell.
    """

    revision: int
    monotonic: float
    plural: str
    subresource: str
    namespace: str
    name: str
    manager: str
    old: dict[str, Any] | None
    new: dict[str, Any] | None


class CommitLog:
    """Follows an etcd from `start` to `stop`, in a thread of its own; any thread may ask for what it gives."""

    def __init__(self, port: int) -> None:
        self._port = port
        # By namespace: a run has thousands of changes, and whoever waits looks at those of one test again and again.
        self._commits: dict[str, list[Commit]] = {}
        self._objects: dict[str, dict[str, Any]] = {}
        self._marks: set[str] = set()
        self._news = threading.Condition()
        self._watch: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._follow, name="commit-log", daemon=True)
        self._stopped = False

    def start(self) -> None:
        self._thread.start()
        self.flush()

    def stop(self) -> None:
        self._stopped = True
        if self._watch is not None and self._watch.sock is not None:
            with suppress(OSError):
                self._watch.sock.shutdown(2)
        self._thread.join(_TIMEOUT)

    def of(self, namespace: str, plural: str | None = None) -> list[Commit]:
        """All changes in a namespace that have been heard of, or those of one plural."""
        with self._news:
            return [c for c in self._commits.get(namespace, ()) if plural in (None, c.plural)]

    def flush(self) -> None:
        """Waits until everything that is stored now has been heard of. Raises `TimeoutError`."""
        mark = _MARKS + uuid.uuid4().hex
        self._post("put", {"key": _encode(mark), "value": ""})
        with self._news:
            if not self._news.wait_for(lambda: mark in self._marks, _TIMEOUT):
                raise TimeoutError("etcd does not tell what it stores")

    def wait(self, seconds: float) -> None:
        """Returns when something is heard, or after `seconds`."""
        with self._news:
            self._news.wait(seconds)

    def _follow(self) -> None:
        span = {"key": _encode(_FROM), "range_end": _encode(_TO), "start_revision": "1"}
        self._watch = http.client.HTTPConnection("127.0.0.1", self._port)
        try:
            self._watch.request("POST", "/v3/watch", json.dumps({"create_request": span}))
            answer = self._watch.getresponse()
            while not self._stopped and (line := answer.readline()):
                events = json.loads(line).get("result", {}).get("events", ())
                with self._news:
                    for event in events:
                        self._hear(event)
                    self._news.notify_all()
        except (OSError, http.client.HTTPException):
            if not self._stopped:
                raise
        finally:
            self._watch.close()

    def _hear(self, event: dict[str, Any]) -> None:
        pair = event["kv"]
        key = base64.b64decode(pair["key"]).decode()
        if key.startswith(_MARKS):
            self._marks.add(key)
            return
        found = _KEY.fullmatch(key.replace(_SERVICES, "/registry/services/"))
        if found is None or found["plural"] not in _KEPT:
            return
        old = self._objects.pop(key, None)
        new: dict[str, Any] | None = None
        revision = int(pair["mod_revision"])
        if event.get("type") != "DELETE":
            new = self._objects[key] = json.loads(base64.b64decode(pair["value"]))
            new["metadata"]["resourceVersion"] = str(revision)
        place = found["plural"], _subresource(old, new), found["namespace"], found["name"], _manager(old, new)
        commit = Commit(revision, time.monotonic(), *place, old, new)
        self._commits.setdefault(commit.namespace, []).append(commit)

    def _post(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT)
        try:
            connection.request("POST", f"/v3/kv/{verb}", json.dumps(body))
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _subresource(old: dict[str, Any] | None, new: dict[str, Any] | None) -> str:
    """`status` for a write that changed nothing else: etcd does not keep the path of a request."""
    if old is None or new is None or old.get("status") == new.get("status"):
        return ""
    return "status" if list(_lasting(old)) == list(_lasting(new)) else ""


def _manager(old: dict[str, Any] | None, new: dict[str, Any] | None) -> str:
    """Whose entry of managedFields is another one than before.

    Who takes fields from others makes their entries smaller and leaves their times alone. (Kubernetes, "Server-Side
    Apply", field management.)
    """
    before, after = ((side or {}).get("metadata", {}).get("managedFields") or () for side in (old, new))
    changed = [entry for entry in after if entry not in before]
    acted = [entry for entry in changed if not any(_robbed(former, entry) for former in before)]
    return next((entry["manager"] for entry in (*acted, *changed)), "")


def _robbed(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether it is the same entry with fewer fields: somebody else has taken them."""
    same = all(before.get(key) == after.get(key) for key in ("manager", "operation", "subresource", "time"))
    return same and set(_paths(after.get("fieldsV1"))) < set(_paths(before.get("fieldsV1")))


def _paths(fields: Any, above: str = "") -> Iterator[str]:
    """Every path of a field set, as text."""
    for name, below in (fields or {}).items():
        yield f"{above}/{name}"
        yield from _paths(below, f"{above}/{name}")


def _lasting(obj: dict[str, Any]) -> Iterator[Any]:
    yield {name: value for name, value in obj.items() if name not in ("status", "metadata")}
    yield {n: v for n, v in obj["metadata"].items() if n not in ("resourceVersion", "managedFields")}
