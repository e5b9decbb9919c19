"""What a rule is."""

from __future__ import annotations

import msgspec

from canary.lint.finding import Level


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """`title` is one sentence, `reason` says why it matters and what to do; `sources` are public pages."""

    id: str
    level: Level
    title: str
    reason: str
    sources: tuple[str, ...] = ()
