"""What the search has found in the product itself, each with the bounds within which it is found at once."""

from __future__ import annotations

from dataclasses import replace

from canary.core.phases import Phase
from canary.core.state import State
from canary.sandbox.search.scenarios import Bounds, explore

ABORT, DELETE = "somebody aborts", "somebody deletes the split"
COPY, RESTORE = "somebody keeps a copy of the split", "the copy of the split is put back"
S5 = frozenset({"S5"})


def has_weight(state: State | None) -> bool:
    return state is not None and state.weight > 0


def rolls_back(state: State | None) -> bool:
    return state is not None and state.phase is Phase.ROLLING_BACK


def test_an_old_copy_that_is_put_back_between_the_reads_of_a_raise_is_not_raised_on() -> None:
    """The Canary was read before the abort, the split after the copy had come back: nobody knew of the rejection."""
    start = Bounds(windows=1, stops=0, given=(COPY,), then=has_weight, sought=S5)
    found = explore(replace(start, moves=(ABORT, RESTORE), ordered=True, deepest=11))
    print(found)
    assert not found.violations, found


def test_a_rejection_that_is_told_in_the_middle_of_a_rebuild_is_not_lost_with_the_next_status() -> None:
    """The rebuilt state did not know it, and its projection took it out of the record, where alone it was kept."""
    start = Bounds(windows=0, stops=0, given=(ABORT,), then=rolls_back, told=False, sought=S5)
    found = explore(replace(start, moves=(DELETE,)))
    print(found)
    assert not found.violations, found
    assert found.whole
