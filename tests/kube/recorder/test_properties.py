"""Nothing is doubled, lost or miscounted, whatever the server does."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.kube.backoff import Backoff
from canary.kube.errors import Ambiguous, Unreachable
from canary.kube.recorder import event_name
from canary.kube.transport import Response
from canary.sandbox.virtual_time import run_virtual

records = st.tuples(
    st.sampled_from(["one", "two", "three"]), st.sampled_from(["", "1", "2", "3"]), st.floats(0, 20), st.booleans()
)


def break_at_random(server: Any, rng: random.Random, badness: float) -> None:
    def before() -> Response | None:
        if rng.random() < badness / 2:
            raise Unreachable("refused")
        return Response(503, b"{}") if rng.random() < badness / 4 else None

    def after() -> None:
        if rng.random() < badness / 4:
            raise Ambiguous("cut off")

    server.before, server.after = before, after


def counts(server: Any) -> dict[tuple[str, str], int]:
    """How often each (note, name) is said to have happened."""
    return {
        (found["note"], name): found.get("series", {"count": 1})["count"] for (_, name), found in server.events.items()
    }


@settings(max_examples=150, deadline=None)
@given(script=st.lists(records, max_size=40), seed=st.integers(0, 2**32), badness=st.sampled_from([0.0, 0.3, 0.6]))
def test_under_faults_and_restarts_nothing_is_doubled_lost_or_miscounted(
    event_server, recording, event, script: list[tuple[str, str, float, bool]], seed: int, badness: float
):
    async def play() -> None:
        rng = random.Random(seed)
        server = event_server()
        break_at_random(server, rng, badness)
        patient: dict[str, Any] = {"attempts": 60, "backoff": Backoff(base=0.1, cap=1)}
        it = recording(server, rng=rng, **patient)
        said: Counter[str] = Counter()
        names: dict[str, None] = {}
        for note, number, pause, restart in script:
            one = event(note=note, dedupe_id=number)
            it.record(one)
            if number:
                names.setdefault(event_name(one))
            else:
                said[note] += 1
            await asyncio.sleep(pause / 10)
            if restart and number:
                await it.flush()
                it.task.cancel()
                # The new process forgets every series, and records again what it finds done.
                it = recording(server, rng=rng, **patient)
                it.record(one)
        await it.flush()
        assert [name for _, name in server.events if name in names] == list(names)
        repeats: Counter[str] = Counter()
        for (note, name), count in counts(server).items():
            repeats[note] += count if name not in names else 0
        assert +repeats == said

    run_virtual(play())
