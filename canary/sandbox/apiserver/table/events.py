"""The cells of an Event, in either of its two forms: core/v1 and events.k8s.io/v1."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from canary.sandbox.apiserver.table import ages
from canary.sandbox.apiserver.table.columns import NAME, Column, Object, dig


def _either(event: Object, core: str, other: str) -> Any:
    """The field under its name in core/v1, else in events.k8s.io/v1."""
    return event.get(core) or event.get(other)


def first_seen(event: Object, now: datetime) -> str:
    return ages.since(_either(event, "firstTimestamp", "deprecatedFirstTimestamp") or event.get("eventTime"), now)


def last_seen(event: Object, now: datetime) -> str:
    series = dig(event, "series", "lastObservedTime")
    last = series or _either(event, "lastTimestamp", "deprecatedLastTimestamp")
    return ages.since(last, now) if last else first_seen(event, now)


def target(event: Object, _now: datetime) -> str:
    """`pod/web-1`."""
    about = _either(event, "involvedObject", "regarding") or {}
    kind = str(about.get("kind", "")).lower()
    return f"{kind}/{about['name']}" if about.get("name") else kind


def _source(event: Object, _now: datetime) -> str:
    source = _either(event, "source", "deprecatedSource") or {}
    component = source.get("component") or _either(event, "reportingComponent", "reportingController") or ""
    host = source.get("host") or event.get("reportingInstance")
    return f"{component}, {host}" if host else component


def _count(event: Object, _now: datetime) -> str:
    return str(dig(event, "series", "count") or _either(event, "count", "deprecatedCount") or 1)


def _subobject(event: Object, _now: datetime) -> str:
    return str((_either(event, "involvedObject", "regarding") or {}).get("fieldPath", ""))


COLUMNS = (
    Column("Last Seen", last_seen, description="How long ago it was seen last."),
    Column("Type", lambda event, _now: event.get("type", "")),
    Column("Reason", lambda event, _now: event.get("reason", "")),
    Column("Object", target, description="The object that it is about."),
    Column("Subobject", _subobject, priority=1),
    Column("Source", _source, priority=1),
    Column("Message", lambda event, _now: (_either(event, "message", "note") or "").strip()),
    Column("First Seen", first_seen, priority=1),
    Column("Count", _count, priority=1),
    Column("Name", NAME.cell, format="name", priority=1),
)
