"""An API server that says what it is told to, and certificates of two authorities."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from canary.kube.client import Client
from canary.kube.clock import SystemClock
from canary.kube.errors import Unreachable
from canary.kube.transport import Response

CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"


@dataclass
class Kubernetes:
    """A transport with an answer for each path; other paths are not found, and what is `down` is unreachable."""

    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    down: bool = False
    asked: list[tuple[str, dict[str, str], str]] = field(default_factory=list)

    async def request(self, method, path, *, query=None, accept="application/json", **_):
        self.asked.append((path, dict(query or {}), accept))
        if self.down:
            raise Unreachable("connection refused")
        answers = self.answers.get(path) or [(404, {"kind": "Status", "reason": "NotFound", "message": "not found"})]
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        return Response(status, body if isinstance(body, bytes) else json.dumps(body).encode())

    def publish(self, authority: str, *names: str, **others: str) -> None:
        """The ConfigMap with which kube-apiserver says who its aggregator is."""
        data = {
            "client-ca-file": "of users",
            "requestheader-client-ca-file": authority,
            "requestheader-allowed-names": json.dumps(names),
            "requestheader-username-headers": '["X-Remote-User"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        }
        self.answers[CONFIG_MAP] = [(200, {"kind": "ConfigMap", "data": data | others})]

    def client(self) -> Client:
        transport: Any = self
        return Client(transport, clock=SystemClock(), rng=random.Random(1))
