"""The end of the managed-mode act: how long each part took, what users got, and whether it ended as it must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from canary.sandbox.demo.columns import columns
from canary.sandbox.demo.managed import ACTS
from canary.sandbox.demo.managed_play import Played, outcome
from canary.sandbox.load import Tally


def managed_report(played: Sequence[Played]) -> list[Text]:
    """All lines."""
    head = [Text(word, "bold") for word in ("ONE DEPLOYMENT", "TOOK", "REQUESTS", "FAILED", "LOST", "AFTERWARDS")]
    return [
        Text("Managed mode", "bold"),
        *columns([head, *map(_row, played)]),
        Text("Took: from the apply or delete to the last write for it. Failed: answered with an error, or not at all."),
        Text("Lost: failed by anything else than the release under trial. Afterwards: who answers users from then on."),
    ]


def managed_problem(played: Sequence[Played]) -> str:
    """Empty when everything ended as it must; else what did not."""
    wrong = [f"{one.act.name} {one.act.about}: {one.act.goal}, but {_ending(one)}" for one in played if not one.right]
    missing = [f"{len(ACTS) - len(played)} of {len(ACTS)} acts were not played"] if len(played) < len(ACTS) else []
    return "; ".join((*wrong, *missing))


def _ending(played: Played) -> str:
    reason = f" ({played.note or played.reason})" if played.reason else ""
    return f"{outcome(played)}, afterwards {_versions(played.after) or 'nobody'} answers{reason}"


def _row(played: Played) -> list[Text]:
    total = sum(tally.ok + tally.failed for tally in played.requests.values())
    return [
        Text(f"{played.act.name} {played.act.about}", "green" if played.right else "bold red"),
        Text(f"{played.seconds:.1f}s"),
        Text(str(total)),
        Text(str(played.failed)),
        Text(str(played.lost), "bold red" if played.lost else "bold"),
        Text(_versions(played.after) or "-"),
    ]


def _versions(tallies: Mapping[str, Tally]) -> str:
    return ", ".join(f"v{version}" if version else "(nobody)" for version in tallies)
