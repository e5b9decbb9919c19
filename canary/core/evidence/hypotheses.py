"""What is tested: the factor by which one window speaks for each alternative, against the null hypothesis.

Every factor here has an expected value of at most 1 under its null hypothesis, in any window, whatever happened before.
Alternatives are a grid of ratios, "so many times as bad", and evidence is the mean over the grid: no prior to tune, and
the price of not knowing the size of a regression is at most a factor of 8.
"""

from __future__ import annotations

from math import inf, log, log1p

import msgspec

from canary.core.evidence.counts import Counts, WindowCounts, flaw_of

TIMES_WORSE = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
"""The alternatives of a test for something worse, as multiples of the null hypothesis."""

_LEAST, _MOST = 1e-6, 1.0 - 1e-6


class _Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How a test spends its stake.

    `alpha` is the probability of a false alarm, over the whole rollout. `horizon` is how many windows are planned,
    which matters for regressions that begin late. No fewer than `fewest` windows ever decide, so that one burst cannot.
    `first` of the stake, 0.0 to 1.0, is put on the first window, the rest on later beginnings.
    """

    alpha: float = 0.01
    horizon: int = 180
    fewest: int = 3
    first: float = 0.5

    @property
    def needed(self) -> float:
        """The evidence at which the test decides."""
        return 1.0 / self.alpha

    @property
    def cap(self) -> float:
        """The most that one window may add to the logarithm of the evidence."""
        return 0.999 * log(self.needed) / (self.fewest - 1) if self.fewest > 1 else inf


class RateRatio(_Pace, frozen=True, kw_only=True):
    """Null hypothesis: in every window the canary's rate is at most `ratio` times stable's, whatever stable's may be.

    With alternatives `grid` above 1, each a multiple of `ratio`. With all of them below 1 the null hypothesis is that
    the canary's rate is *at least* `ratio` times stable's, and the evidence is for a canary that is better than that.

    Given that k requests failed, which side each of them hit depends on the ratio of the rates and on the share of
    requests that the canary really had, and on nothing else: a shared outage, a drift over the day and a change of
    weight cancel out window by window (Lindon and Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS
    2022). Observed requests count, never the configured weight. A window in which either side is alone, or nothing
    failed, is neutral.
    """

    ratio: float = 1.2
    grid: tuple[float, ...] = TIMES_WORSE

    def flaw(self, window: WindowCounts) -> str:
        """Why this window says nothing; empty when it may say something."""
        return flaw_of(window.canary, "canary") or flaw_of(window.stable, "stable")

    def increments(self, canary: Counts, stable: Counts) -> list[float]:
        """The logarithm of the factor for each alternative."""
        failed = canary.bad + stable.bad
        if not failed:
            return [0.0] * len(self.grid)
        share = canary.requests / (canary.requests + stable.requests)
        # The expected value is at most 1: by ln(1 + x) <= x for each request, and the rest cancels where the canary's
        # rate is just `ratio` times stable's. That holds for any number of requests, and for any rate of stable's.
        base = log1p(share * (self.ratio - 1.0))
        return [canary.bad * log(r) - failed * (log1p(share * (self.ratio * r - 1.0)) - base) for r in self.grid]

    def expected(self, canary: Counts, stable: Counts, so_far: Counts, stable_so_far: Counts) -> tuple[float, float]:
        """Trials of this window and the share of them that should hit the canary, by the ratio of rates so far."""
        ratio = _smoothed(so_far) / _smoothed(stable_so_far)
        share = canary.requests / (canary.requests + stable.requests)
        return canary.bad + stable.bad, ratio * share / (1.0 - share + ratio * share)


class RateLimit(_Pace, frozen=True, kw_only=True):
    """Null hypothesis: in every window the canary's rate is at most `limit` (0.0 to 1.0).

    The likelihood ratio of Wald's sequential test ("Sequential Tests of Statistical Hypotheses", Annals of Mathematical
    Statistics 16(2), 1945) against rates of `limit` times each of the grid; alternatives that are no probability are
    left out. `clustered` false takes the requests for independent without looking.
    """

    limit: float
    grid: tuple[float, ...] = TIMES_WORSE
    clustered: bool = True

    def __post_init__(self) -> None:
        # A limit of 0 cannot be tested, for the first failure refutes it; one in a million is the same to people.
        limit = min(max(self.limit, _LEAST), _MOST)
        grid = tuple(r for r in self.grid if limit * r < 1.0) or ((1.0 / limit + 1.0) / 2.0,)
        msgspec.structs.force_setattr(self, "limit", limit)
        msgspec.structs.force_setattr(self, "grid", grid)

    def flaw(self, window: WindowCounts) -> str:
        """Why this window says nothing; empty when it may say something."""
        return flaw_of(window.canary, "canary")

    def increments(self, canary: Counts, stable: Counts) -> list[float]:
        """The logarithm of the factor for each alternative."""
        good, base = canary.requests - canary.bad, log1p(-self.limit)
        return [canary.bad * log(r) + good * (log1p(-self.limit * r) - base) for r in self.grid]

    def expected(self, canary: Counts, stable: Counts, so_far: Counts, stable_so_far: Counts) -> tuple[float, float]:
        """Trials of this window and the share of them that should be bad, by the rate so far."""
        return (canary.requests if self.clustered else 0.0), _smoothed(so_far)


def _smoothed(counts: Counts) -> float:
    """A rate that is neither 0 nor 1."""
    return (counts.bad + 0.5) / (counts.requests + 1.0)


def fewest_windows(seconds: float) -> int:
    """How many windows of that length must agree before a test decides: 3, or 2 from half a minute on."""
    return 2 if seconds >= 30.0 else 3
