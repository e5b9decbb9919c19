"""Names out of the cluster that a shell offers, when the cluster answers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canary.cli.session import Session

PATIENCE = 1.0
"""Seconds that a person waits for a suggestion, at most."""


def canaries(params: Mapping[str, Any], incomplete: str) -> list[str]:
    """Names of Canaries in the namespace that the options so far name."""

    async def names(session: Session) -> list[str]:
        from canary.cli.canaries import CANARIES

        listing = await session.client.list(CANARIES, session.namespace, timeout=PATIENCE, attempts=1)
        return [item["metadata"]["name"] for item in listing.items]

    return _asked(params, names, incomplete)


def approvals(params: Mapping[str, Any], incomplete: str) -> list[str]:
    """Approvals that the named Canary's steps have."""

    async def names(session: Session) -> list[str]:
        plan = (await session.canary(params["name"])).plan
        return [stage.approval for stage in plan.stages if stage.approval] if plan else []

    return _asked(params, names, incomplete)


def namespaces(params: Mapping[str, Any], incomplete: str) -> list[str]:
    """Namespaces of the cluster."""

    async def names(session: Session) -> list[str]:
        from canary.kube.resources import NAMESPACES

        listing = await session.client.list(NAMESPACES, timeout=PATIENCE, attempts=1)
        return [item["metadata"]["name"] for item in listing.items]

    return _asked(params, names, incomplete)


def _asked(params: Mapping[str, Any], ask: Callable[[Session], Awaitable[list[str]]], incomplete: str) -> list[str]:
    from canary.cli.flags import Flags
    from canary.cli.session import connected

    flags = Flags(params.get("kubeconfig"), params.get("context"), params.get("namespace"))

    async def main() -> list[str]:
        async with asyncio.timeout(PATIENCE), connected(flags) as session:
            return await ask(session)

    try:
        found = asyncio.run(main())
    except Exception:
        # No cluster, no rights, no time: a shell shows no error, it only offers nothing.
        return []
    return [name for name in found if name.startswith(incomplete)]
