"""What a request says about who sends it, and what is done when the server does not believe it (401)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from canary.kube.clock import Clock
from canary.kube.errors import KubeError

REREAD = 60.0
"""Seconds for which a token that was read from a file is used without looking at the file again.

The kubelet rotates a service account's token when 80 % of its hour have passed (Kubernetes, "Configure Service Accounts
for Pods"), so that a minute is soon enough.
"""
RENEW_PAUSE = 10.0
"""Seconds before a kubeconfig's credentials are fetched again: an exec plugin may take its time, or ask a person."""


class BadConfig(KubeError):
    """No usable kubeconfig, or no usable service account; the message says which."""


class Credentials(Protocol):
    async def headers(self) -> Mapping[str, str]:
        """The headers that identify us. Raises any error when there are none to be had."""
        ...

    async def renew(self) -> bool:
        """Fetch fresh credentials after a 401; whether it is worth sending the request once more."""
        ...


class Token:
    """A bearer token that never changes; the empty one sends nothing."""

    def __init__(self, token: str = "") -> None:
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def headers(self) -> Mapping[str, str]:
        return self._headers

    async def renew(self) -> bool:
        return False


class TokenFile:
    """A bearer token in a file that somebody rotates, as every pod has one."""

    def __init__(self, path: str | Path, clock: Clock) -> None:
        self._path = Path(path)
        self._clock = clock
        self._headers: dict[str, str] = {}
        self._read_at: float | None = None

    async def headers(self) -> Mapping[str, str]:
        if self._read_at is None or self._clock.monotonic() - self._read_at >= REREAD:
            try:
                self._read()
            except OSError:
                # A file that is being replaced is no reason to forget a token that may well be valid.
                if not self._headers:
                    raise
        return self._headers

    async def renew(self) -> bool:
        try:
            self._read()
        except OSError:
            return False
        return True

    def _read(self) -> None:
        token = self._path.read_text(encoding="utf-8").strip()
        if not token:
            raise OSError(f"the token file {self._path} is empty")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._read_at = self._clock.monotonic()


class Kubeconfig:
    """What a kubeconfig says; after a 401 it is loaded anew, which runs its exec plugin or asks its provider.

    `current` gives the headers, `reload` fetches fresh ones or raises `BadConfig`.
    """

    def __init__(
        self,
        current: Callable[[], Awaitable[Mapping[str, str]]],
        reload: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._current = current
        self._reload = reload
        self._clock = clock
        self._renewed_at: float | None = None
        self._renewing = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        return await self._current()

    async def renew(self) -> bool:
        async with self._renewing:
            if self._renewed_at is None or self._clock.monotonic() - self._renewed_at >= RENEW_PAUSE:
                try:
                    await self._reload()
                except BadConfig:
                    return False
                self._renewed_at = self._clock.monotonic()
        return True
