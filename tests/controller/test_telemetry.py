"""Each judged window is told once, whatever the memory keeps of it."""

from __future__ import annotations

from canary.controller.telemetry import newly_judged
from canary.core.memory import Memory
from canary.core.verdict import Judged, Verdict


def make_window(end: float, verdict: Verdict = Verdict.BREACH) -> Judged:
    return Judged(end - 10, end, end, verdict, ())


def test_a_window_that_is_kept_is_not_told_again() -> None:
    before = Memory(latest=make_window(20), pending=(make_window(10), make_window(20)))
    assert not list(newly_judged(before, before))


def test_a_breach_is_both_the_latest_and_pending_and_is_told_once() -> None:
    window = make_window(20)
    assert list(newly_judged(Memory(), Memory(latest=window, pending=(window,)))) == [window]


def test_a_window_within_warm_up_is_told_though_it_is_only_pending() -> None:
    before = Memory(latest=make_window(20, Verdict.HEALTHY))
    after = Memory(latest=before.latest, pending=(make_window(30),))
    assert [window.end for window in newly_judged(before, after)] == [30]


def test_several_windows_at_once_are_told_in_order() -> None:
    after = Memory(latest=make_window(40, Verdict.HEALTHY), pending=(make_window(20), make_window(30)))
    assert [window.end for window in newly_judged(Memory(latest=make_window(10)), after)] == [20, 30, 40]
