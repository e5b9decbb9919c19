"""What a replay found, as lines for people and as a document for programs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from canary.api.duration import format_duration
from canary.cli.terminal import clean
from canary.core.verdict import Verdict
from canary.core.window import Missing, SideReading
from canary.simulate.history.record import clock, rfc3339
from canary.simulate.history.replay import Looked, Replayed, counted
from canary.simulate.play import Move, Outcome

if TYPE_CHECKING:
    from rich.text import Text

_ENDS = {
    Outcome.PROMOTED: ("✔", "green", "Would have been promoted"),
    Outcome.ROLLED_BACK: ("✖", "red", "Would have been rolled back"),
    Outcome.UNFINISHED: ("◌", "yellow", "Would not have been decided"),
}
_SILENT = ("Initialized", "RolledBack")
"""Reasons of moves that other lines tell better."""
_LEVELS = 8
"""So many of the weights that the record shows are listed."""
_STYLES = {Verdict.HEALTHY: "green", Verdict.BREACH: "red"}
AS_RECORDED = "rates and latencies of each side are taken as recorded"
THINNED = (
    "where the plan's weight was below the recorded one, the canary's requests were thinned to it, and stable's where "
    "it was above: --as-recorded keeps all"
)
SHORT = (
    "where the plan's weight was above the recorded one, the canary had no more requests than were recorded: its "
    "decisions there rest on fewer than it would have had, and no fewer of its requests would have failed"
)


def lines(title: str, replayed: Replayed) -> Iterator[Text | str]:
    """The glance: a line for each change of weight, and for each run of windows with one verdict between them."""
    from rich.text import Text

    yield f"{clean(title)} on {clean(replayed.record.title)}"
    yield ""
    yield Text(f"{'TIME (UTC)':<11} {'AFTER':<9} {'WEIGHT':<7} RECORDED", "bold")
    for at, weight, seen, words, style in _timeline(replayed):
        start = f"{clock(replayed.epoch + at):<11} {format_duration(at):<9} {f'{weight}%':<7} {seen:<9} "
        yield Text.assemble(start, (clean(words), style))
    yield ""
    mark, style, words = _ENDS[replayed.played.outcome]
    yield Text.assemble((f"{mark} {words}", style), f" {_ending(replayed)}")
    for line in _also(replayed):
        yield f"  {clean(line)}"
    for note in _notes(replayed):
        yield Text(f"  note: {clean(note)}", "dim")


_Line = tuple[float, int, str, str, str]


def _timeline(replayed: Replayed) -> Iterator[_Line]:
    # A window that ended at the moment of a change led to it.
    found: list[tuple[float, int, _Line]] = [
        (move.at, 1, (move.at, move.weight, "", f"{move.reason}: {move.words}", "bold"))
        for move in replayed.played.moves
        if move.reason not in _SILENT
    ]
    runs = groupby(replayed.windows, lambda each: (each.weight, _verdict(each)))
    for _, run in runs:
        for windows in _between_moves(list(run), replayed.played.moves):
            last = windows[-1]
            style = _STYLES.get(last.judged.verdict, "") if last.judged else "dim"
            found.append((last.end, 0, (last.end, last.weight, _percent(last.seen), _words(windows), style)))
    return (line for _, _, line in sorted(found, key=lambda each: each[:2]))


def _between_moves(windows: list[Looked], moves: tuple[Move, ...]) -> Iterator[list[Looked]]:
    for _, run in groupby(windows, lambda each: sum(move.at < each.end for move in moves)):
        yield list(run)


def _verdict(looked: Looked) -> str:
    return looked.judged.verdict.value if looked.judged else ""


def _words(windows: list[Looked]) -> str:
    last = windows[-1]
    times = f"{len(windows)} window{'s' if len(windows) > 1 else ''}"
    if last.judged is None:
        return f"{times} not judged: {_why_not(last)}"
    return f"{times} {last.judged.verdict.value}: {last.judged.words}"


def _why_not(looked: Looked) -> str:
    if looked.weight == 0:
        return "at weight 0 there is nothing to judge"
    return "the weight had just changed, or the canary was warming up"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.3g}%"


def _ending(replayed: Replayed) -> str:
    played = replayed.played
    at = f"at {clock(replayed.epoch + played.seconds)}"
    if played.outcome is Outcome.UNFINISHED:
        return f"when the recorded canary's requests ended {at}: {played.reason}: {clean(played.words)}"
    exposed = played.exposed_at
    after = "" if exposed is None else f", {format_duration(played.seconds - exposed)} after its first traffic"
    return f"{at}{after}: {played.reason}: {clean(played.words)}"


def _also(replayed: Replayed) -> Iterator[str]:
    bad, after = replayed.first_bad, replayed.detected_after
    if bad is not None and after is not None:
        yield (
            f"The first breached window began at {clock(replayed.epoch + bad.start)}; "
            f"{format_duration(after)} later the canary had no traffic."
        )
    if replayed.later is not None and replayed.later.judged is not None:
        began = clock(replayed.epoch + replayed.later.start)
        yield f"After that it went bad: from {began} on everybody had: {replayed.later.judged.words}"
    played, (start, end) = replayed.played, replayed.served
    yield f"In the play the canary failed {played.failed:.0f} of {played.requests:.0f} requests."
    requests, failed = _recorded(replayed)
    yield (
        f"Recorded: from {clock(start)} to {clock(end)} the canary failed {failed:.0f} of {requests:.0f} requests"
        f"{_levels(replayed)}."
    )


def _recorded(replayed: Replayed) -> tuple[float, float]:
    """The canary's requests of the whole record, and the failed ones."""
    sides = [counted(stretch.reading) for stretch in replayed.record.whole.canary.stretches]
    return sum(requests for requests, _ in sides), sum(failed for _, failed in sides)


def _levels(replayed: Replayed) -> str:
    seen = replayed.seen
    shown = [f"{_percent(level.weight)} from {clock(level.since)} on" for level in seen[:_LEVELS]]
    more = [f"and {len(seen) - _LEVELS} more"] if len(seen) > _LEVELS else []
    return f"; it had {', '.join([*shown, *more])}" if shown else ""


def _notes(replayed: Replayed) -> list[str]:
    found = [AS_RECORDED, *([THINNED] if replayed.thinned else []), *([SHORT] if replayed.short else [])]
    return [*found, *replayed.record.notes]


def as_document(title: str, replayed: Replayed) -> dict[str, Any]:
    """The same and every window, with names as in the resource; times are RFC 3339, `seconds` count from `begin`."""
    played, bad = replayed.played, replayed.first_bad
    return {
        "canary": title,
        "record": replayed.record.title,
        "begin": rfc3339(replayed.epoch),
        "outcome": played.outcome.value,
        "reason": played.reason,
        "message": played.words,
        "end": rfc3339(replayed.epoch + played.seconds),
        "seconds": played.seconds,
        "requests": played.requests,
        "failed": played.failed,
        "firstBreach": None if bad is None else _looked(replayed.epoch, bad),
        "detectedAfterSeconds": replayed.detected_after,
        "recorded": _recorded_document(replayed),
        "laterBreach": None if replayed.later is None else _looked(replayed.epoch, replayed.later),
        "moves": [
            {"time": rfc3339(replayed.epoch + m.at), "seconds": m.at, "weight": m.weight, "reason": m.reason,
             "message": m.words}
            for m in played.moves
        ],
        "windows": [_looked(replayed.epoch, looked) for looked in replayed.windows],
        "notes": _notes(replayed),
    }  # fmt: skip


def _recorded_document(replayed: Replayed) -> dict[str, Any]:
    requests, failed = _recorded(replayed)
    start, end = map(rfc3339, replayed.served)
    weights = [{"time": rfc3339(level.since), "weight": round(level.weight, 2)} for level in replayed.seen]
    return {"start": start, "end": end, "requests": requests, "failed": failed, "weights": weights}


def _looked(epoch: float, looked: Looked) -> dict[str, Any]:
    judged = looked.judged
    return {
        "start": rfc3339(epoch + looked.start),
        "end": rfc3339(epoch + looked.end),
        "seconds": looked.end,
        "weight": looked.weight,
        "recordedWeight": None if looked.seen is None else round(looked.seen, 2),
        "canary": _side(looked.sides.canary),
        "stable": _side(looked.sides.stable),
        "verdict": None if judged is None else judged.verdict.value,
        "message": "" if judged is None else judged.words,
    }


def _side(side: SideReading) -> dict[str, Any]:
    if isinstance(side, Missing):
        return {"missing": side.reason}
    return {"requests": side.requests, "failed": side.failure, "latency": dict(side.latency)}
