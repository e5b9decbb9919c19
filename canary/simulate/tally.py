"""What the rollouts of one kind came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from canary.simulate.campaign import Case, Ended
from canary.simulate.play import Move, Outcome
from canary.simulate.proportions import Interval, clopper_pearson, quantile


class Spread(NamedTuple):
    """Half of the values are at most `median`, 95 of 100 at most `p95`."""

    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class Tally:
    """`ends` are by outcome, `reasons` what the unfinished ones wait for. `found` are the rollbacks that a regression
    caused; all of a healthy release are false. Times are seconds; `failed` counts the canary's requests.
    """

    player: str
    kind: str
    healthy: bool
    rollouts: int
    ends: dict[str, int]
    found: int
    reasons: dict[str, int]
    delays: tuple[float, ...]
    promotions: tuple[float, ...]
    failed: tuple[float, ...]
    typical: tuple[Move, ...]

    @property
    def rolled_back(self) -> int:
        return self.ends.get(Outcome.ROLLED_BACK, 0)

    @property
    def counted(self) -> int:
        """The rollbacks that the kind is about: false ones of healthy releases, detections of regressions."""
        return self.rolled_back if self.healthy else self.found

    @property
    def share(self) -> float:
        return self.counted / self.rollouts

    @property
    def interval(self) -> Interval:
        """Of `share`, at 95 %."""
        return clopper_pearson(self.counted, self.rollouts)


def spread(values: Sequence[float]) -> Spread | None:
    """Of values in ascending order; `None` of none."""
    return Spread(quantile(values, 0.5), quantile(values, 0.95)) if values else None


def tally(case: Case, ended: Sequence[Ended]) -> Tally:
    """Of one rollout at least."""
    played = [each.played for each in ended]
    unfinished = [each.reason for each in played if each.outcome is Outcome.UNFINISHED]
    return Tally(
        player=case.player.name,
        kind=case.regression.name,
        healthy=case.regression.healthy,
        rollouts=len(ended),
        ends=dict(Counter(each.outcome.value for each in played)),
        found=sum(each.delay is not None for each in ended),
        reasons=dict(Counter(unfinished).most_common(3)),
        delays=tuple(sorted(each.delay for each in ended if each.delay is not None)),
        promotions=tuple(sorted(each.seconds for each in played if each.outcome is Outcome.PROMOTED)),
        failed=tuple(sorted(each.failed for each in played)),
        typical=_typical(ended),
    )


def _typical(ended: Sequence[Ended]) -> tuple[Move, ...]:
    """The moves of a rollout of the most frequent outcome, whose duration is the median among its like."""
    most = Counter(each.played.outcome for each in ended).most_common(1)[0][0]
    alike = sorted((each.played.seconds, each.number) for each in ended if each.played.outcome is most)
    number = alike[(len(alike) - 1) // 2][1]
    return next(each.played.moves for each in ended if each.number == number)
