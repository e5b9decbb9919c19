"""The end of the demo: what users got, how fast traffic was taken back, and whether everything ended as it must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from canary.api.duration import format_duration
from canary.core.phases import Phase
from canary.sandbox.demo.columns import columns
from canary.sandbox.demo.measure import Result
from canary.sandbox.demo.scenario import SLOW
from canary.sandbox.load import Tally

_OUTCOMES = {Phase.PROMOTED: "promoted", Phase.ROLLED_BACK: "rolled back"}
_NOTHING = Text("-", "dim")


def report(results: Sequence[Result], requests: Mapping[str, Tally]) -> list[Text]:
    """All lines. `requests` are those of the whole demo, by version, as the client recorded them."""
    return [
        Text("Requests by version, as their sender saw them", "bold"),
        *columns([_head("VERSION", "SERVED", "FAILED", "FAILED %"), *map(_served, requests.items())]),
        Text(),
        Text("Rollouts", "bold"),
        *columns([_head("RELEASE", "OUTCOME", "PEAK", "ON TRIAL", "FAILED", "SLOW"), *map(_rollout, results)]),
        Text(f"On trial: from the first request to the last. Failed, slow (over {format_duration(SLOW)}): of all"),
        Text("requests that users sent in that time, to whichever version."),
        *_rescues(results),
    ]


def problem(results: Sequence[Result], planned: int) -> str:
    """Empty when everything ended as it must; else what did not."""
    wrong = [f"{r.scene.name} {r.scene.goal}{_by(r)}, but {_ending(r)}" for r in results if not r.right]
    missing = [f"{planned - len(results)} of {planned} rollouts were not played"] if len(results) < planned else []
    return "; ".join((*wrong, *missing))


def ending(result: Result) -> str:
    """How a rollout ended, in a few words: `rolled back 14ms after the answer that decided it`."""
    words = _OUTCOMES.get(result.phase, "not ended") if result.phase else "not begun"
    if result.rescue is None:
        return words
    return f"{words} {format_duration(result.rescue.decided)} after the answer that decided it"


def _head(*words: str) -> list[Text]:
    return [Text(word, "bold") for word in words]


def _served(entry: tuple[str, Tally]) -> list[Text]:
    version, tally = entry
    failed = Text(str(tally.failed), "red" if tally.failed else "")
    return [Text(f"v{version}" if version else "(nobody)"), Text(str(tally.ok)), failed, Text(_share(tally))]


def _share(tally: Tally) -> str:
    return _percent(tally.failed, tally.ok + tally.failed)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}%" if whole else "-"


def _rollout(result: Result) -> list[Text]:
    outcome = _OUTCOMES.get(result.phase, str(result.phase)) if result.phase else "not begun"
    return [
        Text(result.scene.name),
        Text(outcome, "green" if result.right else "bold red"),
        Text(f"{result.peak}%"),
        Text(f"{result.seconds:.1f}s"),
        Text(f"{result.failed} of {result.requests} ({_percent(result.failed, result.requests)})"),
        Text(f"{result.slow} of {result.requests} ({_percent(result.slow, result.requests)})"),
    ]


def _rescues(results: Sequence[Result]) -> list[Text]:
    rows = [
        [
            Text(result.scene.name),
            Text(format_duration(result.rescue.first_breach), "bold"),
            Text(format_duration(result.rescue.decided), "bold"),
            Text(result.note),
        ]
        for result in results
        if result.rescue is not None
    ]
    if not rows:
        return []
    head = _head("RELEASE", "FIRST BREACH → 0%", "DECIDED → 0%", "WHY")
    return [
        Text(),
        Text("Rollbacks", "bold"),
        *columns([head, *rows]),
        Text(
            "First breach: from the metrics answer that showed the first breached window. Decided: from the one after"
        ),
        Text("which the rollout was over. 0%: the API server has stored the split that gives the canary nothing."),
    ]


def _by(result: Result) -> str:
    return f" for its {result.scene.because}" if result.scene.because else ""


def _ending(result: Result) -> str:
    words = _OUTCOMES.get(result.phase, f"is {result.phase}") if result.phase else "did not begin"
    return f"{words} ({result.note or result.reason})" if result.note or result.reason else words
