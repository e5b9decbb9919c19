"""The promises, on modelled traffic: few seeded trials of each kind. `make analysis` plays many.

`pytest -rP` shows the figures.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from canary.sandbox.analysis.kinds import kinds
from canary.sandbox.analysis.measure import Always, Kind, Seldom, Soon, play, row

RUNS = {"A1": 25, "A2": 50, "A3": 200, "A4": 200, "A5": 150, "A6": 100, "A7": 40, "A8": 40, "A9": 60, "A10": 100,
        "A11": 50, "CI": 50, "1 s": 200, "size": 200}  # fmt: skip
KINDS = list(kinds())


def of(claim: type) -> Iterator[Kind]:
    return (kind for kind in KINDS if isinstance(kind.claim, claim))


def alarms() -> list[tuple[str, float]]:
    return sorted({(kind.target, kind.claim.share) for kind in of(Seldom)})


@pytest.mark.parametrize(("target", "share"), alarms())
def test_what_must_not_happen_is_rare_over_all_kinds_of_traffic(target, share):
    ends = []
    for kind in of(Seldom):
        if (kind.target, kind.claim.share) == (target, share):
            found = play(kind, kind.seeds(RUNS[target]))
            print(kind.what, row(kind, found).measured)
            ends += found
    measured, met = Seldom(share).measured(ends)
    print(f"{target}: wanted {Seldom(share).words}, found {measured}")
    assert met


@pytest.mark.parametrize("kind", [*of(Soon), *of(Always)], ids=lambda kind: f"{kind.target} {kind.what}")
def test_what_should_happen_does_so_in_time(kind):
    found = row(kind, play(kind, kind.seeds(RUNS[kind.target])))
    print(f"{kind.target} {kind.what}: wanted {found.claim}, found {found.measured}")
    assert found.met
