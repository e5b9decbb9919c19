"""A minimal synchronous client for set-up: independent of the client under test."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any


class RequestFailed(Exception):
    """The API server answered with an error. `code` is the HTTP status, `body` the answer."""

    def __init__(self, code: int, method: str, path: str, body: str) -> None:
        super().__init__(f"{method} {path}: {code} {body[:1000]}")
        self.code = code
        self.body = body


class Api:
    """Requests as one user; each on a connection of its own, so that a restarted server is no special case."""

    def __init__(self, port: int, certificate_authority: Path, token: str) -> None:
        self._port = port
        self._token = token
        self._tls = ssl.create_default_context(cafile=str(certificate_authority))

    def text(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        timeout: float = 15.0,
    ) -> str:
        """The body of the answer. Raises `RequestFailed` for a status >= 400, `OSError` without an answer."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._tls, timeout=timeout)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type, "User-Agent": "e2e"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 400:
            raise RequestFailed(answer.status, method, path, text)
        return text

    def json(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Any:
        """The decoded answer; errors as `text`."""
        return json.loads(self.text(method, path, body, content_type=content_type))

    def ready(self, path: str = "/readyz") -> bool:
        """Whether a health endpoint answers ok."""
        try:
            return self.text("GET", path, timeout=5.0) == "ok"
        except (OSError, http.client.HTTPException, RequestFailed):
            return False
