"""Enough is shown: whether a step may end before its hold is over."""

from __future__ import annotations

import msgspec

from canary.core.evidence.counts import Counts
from canary.core.evidence.hypotheses import RateRatio
from canary.core.evidence.interval import interval
from canary.core.evidence.process import Evidence, Finding

_BETTER = (0.125, 0.25, 0.375, 0.5, 0.625)
_HOPELESS = 0.5


class Early(msgspec.Struct, frozen=True, kw_only=True):
    """What a step must show to end early, with a probability of error of `alpha` each.

    The canary's rate is at most `limit` (0.0 to 1.0, where the metric has one), *and* it is at most `margin` above
    stable's (a non-inferiority margin; the two intervals share `alpha`) or certainly less than `ratio` times stable's.

    Evidence for this begins anew with each step: what breaks under load must be looked for at each weight. Feed `test`
    to `count` with an `Evidence()` of the step.
    """

    alpha: float = 0.05
    fewest: int = 3
    limit: float | None = None
    margin: float = 0.01
    ratio: float = 2.0

    @property
    def test(self) -> RateRatio:
        """The test of "at least `ratio` times stable's". It is all staked on the first window: a step has one
        beginning.
        """
        return RateRatio(alpha=self.alpha, ratio=self.ratio, grid=_BETTER, fewest=self.fewest, first=1.0)

    def finding(self, step: Evidence) -> Finding:
        """Shown, Undecided, or Unusable where either side has no requests.

        A canary that may fail every other request shows nothing, however bad stable is: a shared outage is no proof.
        """
        if not step.canary.requests or not step.stable.requests:
            return Finding.UNUSABLE
        if self.highest_rate(step) > (_HOPELESS if self.limit is None else min(self.limit, _HOPELESS)):
            return Finding.UNDECIDED
        shown = self.difference(step) <= self.margin or step.shows(self.test)
        return Finding.SHOWN if shown else Finding.UNDECIDED

    def highest_rate(self, step: Evidence) -> float:
        """The upper bound of the canary's rate, 0.0 to 1.0."""
        prior = (0.5, 0.5 / min(max(self.limit or 1.0, 1e-6), 1.0))
        return interval(step.canary, self.alpha, prior=prior, dispersion=step.overdispersion).high

    def difference(self, step: Evidence) -> float:
        """By how much, at most, the canary's rate is above stable's."""
        return self._bound(step.canary, step, 1) - self._bound(step.stable, step, 0)

    def _bound(self, counts: Counts, step: Evidence, end: int) -> float:
        return interval(counts, self.alpha / 2.0, dispersion=step.overdispersion)[end]
