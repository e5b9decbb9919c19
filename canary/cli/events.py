"""What happened to a Canary lately, from the events API (events.k8s.io/v1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from canary.cli.canaries import View, moment
from canary.kube.client import Client
from canary.kube.errors import ApiError
from canary.kube.resources import EVENTS

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Happening:
    reason: str
    note: str
    at: datetime | None = None
    warning: bool = False
    count: int = 1


async def happenings(client: Client, view: View) -> tuple[Happening, ...] | None:
    """The events about the Canary, oldest first; `None` when the API server does not hand them out."""
    selector = f"regarding.kind=Canary,regarding.uid={view.metadata.uid}"
    try:
        listing = await client.list(EVENTS, view.metadata.namespace, field_selector=selector, timeout=5.0, attempts=1)
    except ApiError:
        return None
    return tuple(sorted(map(_happening, listing.items), key=lambda event: event.at or _EPOCH))


def _happening(event: dict[str, Any]) -> Happening:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("deprecatedLastTimestamp"), event.get("eventTime"))
    return Happening(
        reason=str(event.get("reason") or ""),
        note=str(event.get("note") or ""),
        at=next(filter(None, map(moment, times)), None),
        warning=event.get("type") == "Warning",
        count=int(series.get("count") or event.get("deprecatedCount") or 1),
    )
