"""The API server's audit log: who asked for what, and what was written in which order.

Source: Kubernetes documentation, "Auditing" (the audit.k8s.io/v1 Event).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

# Writes to these groups are logged with their bodies: they are the commits that a test judges.
COMMIT_GROUPS = ("split.smi-spec.io", "canary.delivery", "coordination.k8s.io")
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


def policy() -> dict[str, Any]:
    """Every request with its metadata; writes to `COMMIT_GROUPS` with request and response."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {
                "level": "RequestResponse",
                "verbs": sorted(WRITES),
                "resources": [{"group": group} for group in COMMIT_GROUPS],
            },
            {"level": "Metadata"},
        ],
    }


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One answered request, or one started watch."""

    user: str
    user_agent: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    stage: str
    received: str
    uri: str
    request: Any
    response: Any

    @property
    def resource_version(self) -> int:
        """The resourceVersion of the object in the answer; 0 when there was none."""
        metadata = self.response.get("metadata", {}) if isinstance(self.response, dict) else {}
        return int(metadata.get("resourceVersion") or 0)


class Mark(NamedTuple):
    """A moment: a position in the log, in bytes, and the time as the log has it.

    A request is logged after it was answered, so that one from before may stand behind the position. The position may
    be amid a line: a file grows by pages while a long line is written.
    """

    position: int = 0
    at: str = ""


BEGINNING = Mark()


class AuditLog:
    """Reads the log file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> Mark:
        """Now, for `since`."""
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return Mark(self.path.stat().st_size if self.path.exists() else 0, at)

    def since(
        self,
        mark: Mark = BEGINNING,
        *,
        user: str | None = None,
        user_agent: str | None = None,
        namespace: str | None = None,
    ) -> list[AuditEvent]:
        """The requests that came after `mark`; `user_agent` is a prefix, `user` and `namespace` are exact."""
        return [
            event
            for event in self._events(mark)
            if (user is None or event.user == user)
            and (user_agent is None or event.user_agent.startswith(user_agent))
            and (namespace is None or event.namespace == namespace)
        ]

    def commits(self, group: str, namespace: str, mark: Mark = BEGINNING) -> list[AuditEvent]:
        """The accepted writes that changed an object of `group` in `namespace`, in the order of their commit.

        A write that changed nothing gets the same resourceVersion as the one before; only the first is a commit. A
        deletion that is answered by a Status has no resourceVersion and is left out: see `since` for those.
        """
        writes = (
            event
            for event in self.since(mark, namespace=namespace)
            if event.group == group and event.verb in WRITES and event.code < 300 and event.resource_version
        )
        first: dict[int, AuditEvent] = {}
        for event in writes:
            first.setdefault(event.resource_version, event)
        return [first[version] for version in sorted(first)]

    def _events(self, mark: Mark) -> Iterator[AuditEvent]:
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            # The line that the mark is in is of a request from before it.
            log.seek(max(mark.position - 1, 0))
            if mark.position:
                log.readline()
            for line in log:
                # A watch is logged when it starts and when it ends; the start is the request.
                event = _decode(json.loads(line)) if line.endswith(b"\n") else None
                if event is not None and event.received >= mark.at:
                    yield event


def count_by_resource(events: Iterable[AuditEvent]) -> Counter[tuple[str, str]]:
    """How often each (verb, resource) was asked for; a subresource is `resource/subresource`."""
    return Counter((e.verb, f"{e.resource}/{e.subresource}" if e.subresource else e.resource) for e in events)


def _decode(raw: dict[str, Any]) -> AuditEvent | None:
    if raw["verb"] == "watch" and raw["stage"] != "ResponseStarted":
        return None
    if raw["verb"] != "watch" and raw["stage"] == "ResponseStarted":
        return None
    target = raw.get("objectRef", {})
    return AuditEvent(
        user=raw["user"].get("username", ""),
        user_agent=raw.get("userAgent", ""),
        verb=raw["verb"],
        group=target.get("apiGroup", ""),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=raw.get("responseStatus", {}).get("code", 0),
        stage=raw["stage"],
        received=raw["requestReceivedTimestamp"],
        uri=raw["requestURI"],
        request=raw.get("requestObject"),
        response=raw.get("responseObject"),
    )
