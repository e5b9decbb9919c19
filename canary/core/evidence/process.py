"""The evidence of one test over a rollout, and how one window adds to it."""

from __future__ import annotations

from enum import StrEnum
from math import exp, floor, inf, log, log1p

import msgspec

from canary.core.evidence.counts import Counts, WindowCounts
from canary.core.evidence.dispersion import Scatter
from canary.core.evidence.hypotheses import RateLimit, RateRatio
from canary.core.window import Missing

Test = RateRatio | RateLimit

_LATEST = 1e12
_LARGEST = 1e250
_LARGEST_LOG = 1e25
_PLANNED = 0.9
"""Of what is kept for late beginnings, the share for the planned windows; the rest lasts as long as a rollout does."""


class Finding(StrEnum):
    """What a test makes of one window.

    Shown: the evidence has reached what is needed, now or before; for a comparison, the canary *is* worse. Undecided:
    it has not. Ignored: the window was counted before, or overlaps one that was. Unusable: its numbers mean nothing to
    this test. Neither of the last two changes the evidence, and none of them is a pass.
    """

    SHOWN = "Shown"
    UNDECIDED = "Undecided"
    IGNORED = "Ignored"
    UNUSABLE = "Unusable"


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a test remembers: a few hundred bytes of JSON.

    `end` is that of the last counted window. `logs` are the logarithms of what was staked on each alternative, `rest`
    is the stake that waits for regressions that begin later. `peak` is the highest logarithm of the evidence so far.
    """

    windows: int = 0
    end: float = 0.0
    logs: tuple[float, ...] = ()
    rest: float = 1.0
    peak: float = 0.0
    scatter: Scatter = Scatter()
    canary: Counts = Counts()
    stable: Counts = Counts()

    @property
    def odds(self) -> float:
        """The evidence, as "so many to 1"; at most 1e250."""
        return exp(min(self.log_odds, log(_LARGEST)))

    @property
    def log_odds(self) -> float:
        """The logarithm of the evidence; minus infinity when all of the stake is lost."""
        parts = [*(entry - log(len(self.logs)) for entry in self.logs), *([log(self.rest)] if self.rest > 0.0 else [])]
        top = max(parts, default=-inf)
        return top + log(sum(exp(part - top) for part in parts)) if parts else top

    @property
    def p_value(self) -> float:
        """The anytime-valid p-value: that of the strongest evidence so far (Johari, Koomen, Pekelis and Walsh, "Always
        Valid Inference", Operations Research 70(3), 2022).
        """
        return exp(-max(self.peak, 0.0))

    @property
    def overdispersion(self) -> float:
        """How many times as much as independent requests the counts scatter; 1.0 and more."""
        return self.scatter.factor

    def shows(self, test: Test) -> bool:
        """Whether the test has decided. It stays decided: what counts is that the evidence was there."""
        return self.peak >= log(test.needed)


class Outcome(msgspec.Struct, frozen=True):
    """What one window led to. `reason` says in words why it was not counted; empty when it was."""

    evidence: Evidence
    finding: Finding
    reason: str = ""


def count(test: Test, before: Evidence, window: WindowCounts) -> Outcome:
    """Adds one window. Nothing raises: what cannot be counted changes nothing and says so.

    The stake is spread over the alternatives and over the moments at which a regression may begin: half on the first
    window, most of the rest evenly on the planned ones, a little on all after them (a mixture of e-processes that start
    at each time, as in Shin, Ramdas and Rinaldo, "E-detectors", arXiv 2203.03532). Otherwise a long healthy time would
    be a debt that a late regression has to pay off first.
    """
    flaw = _time_flaw(window) or test.flaw(window)
    if flaw:
        return Outcome(before, Finding.UNUSABLE, flaw)
    # A clock is set back a little now and then; a twentieth of a window is not worth losing it.
    if window.start < before.end - 0.05 * (window.end - window.start):
        return Outcome(before, Finding.IGNORED, "the window, or a part of it, was counted before")
    if not _goes_on(before, test):
        before = Evidence(end=before.end)
    after = _counted(test, before, window)
    return Outcome(after, Finding.SHOWN if after.shows(test) else Finding.UNDECIDED)


def _time_flaw(window: WindowCounts) -> str:
    # False for NaN; an end in the far future would keep all later windows from being counted.
    return "" if 0.0 <= window.start < window.end < _LATEST else "the window has no beginning and end"


def _goes_on(evidence: Evidence, test: Test) -> bool:
    """Whether it is that of a test with these alternatives, and was not edited into something impossible."""
    sane = all(abs(entry) < _LARGEST_LOG for entry in evidence.logs) and 0.0 <= evidence.rest <= 1.0
    return sane and len(evidence.logs) == len(test.grid)


def _counted(test: Test, before: Evidence, window: WindowCounts) -> Evidence:
    canary = _counts(window.canary)
    # A test that looks at the canary alone keeps nothing of the other side.
    stable = _counts(window.stable) if isinstance(test, RateRatio) else Counts()
    stake = min(_stake(test, before.windows), before.rest)
    log_stake, factor, cap = log(stake) if stake > 0.0 else -inf, before.scatter.factor, test.cap
    logs = tuple(
        _down(_log_sum(old, log_stake) + min(increment / factor, cap), 1e5)
        for old, increment in zip(before.logs or (-inf,) * len(test.grid), test.increments(canary, stable), strict=True)
    )
    so_far, stable_so_far = before.canary + canary, before.stable + stable
    after = Evidence(
        windows=before.windows + 1,
        end=window.end,
        logs=logs,
        rest=_down(before.rest - stake, 1e9),
        peak=before.peak,
        scatter=before.scatter.seen(canary.bad, *test.expected(canary, stable, so_far, stable_so_far)),
        canary=so_far,
        stable=stable_so_far,
    )
    return msgspec.structs.replace(after, peak=max(before.peak, after.log_odds))


def _counts(side: Counts | Missing) -> Counts:
    return side if isinstance(side, Counts) else Counts()


def _stake(test: Test, windows: int) -> float:
    """What is put on a regression that begins with the next window, after so many. All stakes are 1 together."""
    if windows <= 0:
        return test.first
    late = 1.0 - test.first
    if windows < test.horizon:
        return _PLANNED * late / (test.horizon - 1)
    # 1/(n(n+1)) from n on adds up to 1/n.
    begin = max(test.horizon, 1)
    return (1.0 - _PLANNED) * late * begin / (windows * (windows + 1))


def _log_sum(a: float, b: float) -> float:
    """The logarithm of the sum of two numbers that are given by theirs."""
    low, high = (a, b) if a < b else (b, a)
    return high if low == -inf else high + log1p(exp(low - high))


def _down(value: float, parts: float) -> float:
    """Whole parts of one, rounded down: short to store, and never more evidence than there was."""
    return floor(value * parts) / parts
