"""Failures that come in clusters: retries, sessions, one pod in trouble.

Counts of independent requests scatter by a known amount around what is expected. Where they scatter phi times as much,
every request tells only 1/phi of what it seems to tell. Phi is Pearson's statistic over its degrees of freedom, as for
quasi-likelihood (McCullagh and Nelder, "Generalized Linear Models", 2nd edition 1989, chapter 9), drawn towards 1 as
if five windows without excess had been seen before, and never below 1. It is always that of *earlier* windows: raised
to the power 1/phi, a factor whose expected value is at most 1 keeps one (Jensen's inequality), so the promise stands.
"""

from __future__ import annotations

import msgspec

_PRIOR = 5.0


class Scatter(msgspec.Struct, frozen=True, array_like=True):
    """The sum of squared standardised residuals, and over how many windows."""

    squares: float = 0.0
    windows: int = 0

    @property
    def factor(self) -> float:
        """Phi, at least 1."""
        return max(1.0, (_PRIOR + self.squares) / (_PRIOR + max(self.windows - 1, 0)))

    def seen(self, bad: float, trials: float, share: float) -> Scatter:
        """With one more window, in which `share` of `trials` were expected to be bad; one without trials is none."""
        variance = trials * share * (1.0 - share)
        if variance <= 0.0:
            return self
        return Scatter(round(self.squares + (bad - trials * share) ** 2 / variance, 4), self.windows + 1)
