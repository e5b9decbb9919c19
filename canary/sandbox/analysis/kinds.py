"""The targets, and the trials that measure them.

Unless it says otherwise: windows of 10 s, confidence 99 %, a tolerance of 20 %, 100 requests/s of which the canary has
10 %, and 1 % failures of stable. A false alarm is a healthy release that would have been rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from canary.core.evidence import Early, RateLimit, RateRatio, detectable_rate
from canary.core.evidence import Traffic as Expected
from canary.sandbox.analysis.end_to_end import end_to_end
from canary.sandbox.analysis.measure import Always, Kind, Seldom, Shown, Soon, percent
from canary.sandbox.analysis.rollout import Outcome, Rollout
from canary.sandbox.analysis.traffic import Traffic
from canary.sandbox.analysis.trial import Missed, Passing, Signs, Threshold, Watched

STRICT = RateRatio(ratio=1.0)
HALF_HOUR = 180
SHARES = (0.05, 0.1, 0.5)
OUTAGE = Traffic(weights=(0.05, 0.1, 0.25, 0.5), outage=(1200.0, 1560.0, 0.1), drift=0.5)
CLUSTERS = {
    "each failure tried 3 times": {"stable": 0.03, "canary": 0.03, "retries": 3},
    "each failure tried 3 times in the mean": {"stable": 0.03, "canary": 0.03, "retries": 3, "scattered": True},
    "20 failures of a pod at once, 1 an hour": {"bursts": 1.0},
    "20 failures of a pod at once, 6 an hour": {"bursts": 6.0},
}


def kinds() -> Iterator[Kind]:
    """All of them, in the order of the table."""
    parts = (_healthy, _outage, _sudden, _clusters, _rollouts, _absolute, _latency, _early, _fast, _forecasts)
    for part in (*parts, end_to_end):
        yield from part()


def _healthy() -> Iterator[Kind]:
    for alpha in (0.01, 0.05):
        test = RateRatio(alpha=alpha, ratio=1.0, horizon=360)
        for rps, rate, share in product((10.0, 100.0, 1000.0), (0.001, 0.01, 0.2), SHARES):
            traffic = Traffic(rps, (share,), rate, rate)
            what = (
                f"{rps:g} req/s, {percent(rate)} failures, weight {percent(share)}, confidence {percent(1.0 - alpha)}"
            )
            group = f"false alarms at 360 looks, confidence {percent(1.0 - alpha)}, tolerance 0"
            yield Kind("A1", what, Watched(traffic, test), Seldom(alpha), 1.0, group)


def _outage() -> Iterator[Kind]:
    what = "false alarms: steps 5, 10, 25, 50 %, load ± 50 %, 6 min of 10 % failures on both sides"
    yield Kind("A2", what, Watched(OUTAGE, RateRatio(horizon=360)), Seldom(0.01))
    for limit in (0.02, 0.03, 0.05):
        what = f"the same for five minutes above {percent(limit)}"
        yield Kind("A2", what, Threshold(OUTAGE, limit), Shown(), 0.2)


def _sudden() -> Iterator[Kind]:
    for share in SHARES:
        traffic, what = Traffic(weights=(share,), canary=0.2, windows=HALF_HOUR), f"1 → 20 %, weight {percent(share)}"
        yield Kind("A3", what, Watched(traffic), Soon(30, 30))
        longer = Traffic(weights=(share,), canary=0.2, seconds=30.0, windows=60)
        yield Kind("A3", f"{what}, windows of 30 s", Watched(longer, RateRatio(fewest=2)), Soon(60, 60))
    for share, median, late in zip(SHARES, (80, 50, 30), (130, 80, 50), strict=True):
        traffic = Traffic(weights=(share,), canary=0.05, windows=HALF_HOUR)
        yield Kind("A4", f"1 → 5 %, weight {percent(share)}", Watched(traffic), Soon(median, late))
    traffic = Traffic(canary=0.05, windows=HALF_HOUR)
    yield Kind("A4", "the same at 10 % for five minutes above 3 %", Threshold(traffic, 0.03), Soon(360, 360))
    for share, tolerant, strict in zip(SHARES, (660, 390, 170), (400, 230, 100), strict=True):
        traffic, what = Traffic(weights=(share,), canary=0.02, windows=HALF_HOUR), f"1 → 2 %, weight {percent(share)}"
        yield Kind("A5", what, Watched(traffic), Soon(tolerant))
        yield Kind("A5", f"{what}, tolerance 0", Watched(traffic, STRICT), Soon(strict))
    late_onset = Traffic(canary=0.05, windows=270, onset=900.0)
    yield Kind("A6", "1 → 5 % after 15 healthy minutes", Watched(late_onset), Soon(90, 140), 0.5)


def _clusters() -> Iterator[Kind]:
    for share, (what, how) in product((0.1, 0.5), CLUSTERS.items()):
        traffic = Traffic(weights=(share,), windows=HALF_HOUR, **how)  # type: ignore[arg-type]
        yield Kind("A7", f"false alarms: {what}, weight {percent(share)}", Watched(traffic), Seldom(0.015))
    few = Traffic(weights=(0.5,), windows=HALF_HOUR, retries=3, scattered=True)
    what = "false alarms: 1 % failures in clusters of 3 in the mean, three clusters a window, weight 50 %"
    yield Kind("A7", what, Watched(few), Shown())


def _rollouts() -> Iterator[Kind]:
    def rollout(rate: float) -> Rollout:
        return Rollout(Traffic(canary=rate, windows=30), RateRatio(), Early())

    steps = "steps 10, 20, 30, 40, 50 %"
    yield Kind("A8", f"healthy, {steps}: rolled back", Outcome(rollout(0.01), "rolled back"), Seldom(0.005))
    yield Kind("A8", f"healthy, {steps}: time to promotion", Outcome(rollout(0.01), "promoted"), Soon(600))
    yield Kind("A8", f"1 → 2 %, {steps}: promoted", Outcome(rollout(0.02), "promoted"), Seldom(0.01))
    yield Kind("A8", f"1 → 5 %, {steps}: rolled back", Outcome(rollout(0.05), "rolled back"), Soon(60))
    requests = Soon(40, unit="requests")
    yield Kind("A8", f"1 → 5 %, {steps}: requests that the canary failed", Outcome(rollout(0.05), "failed"), requests)


def _absolute() -> Iterator[Kind]:
    test = RateLimit(limit=0.01, horizon=360)
    for rps in (1.0, 5.0, 50.0):
        at, below = (Traffic(rps, (1.0,), rate, rate) for rate in (0.01, 0.005))
        words = f"{rps:g} req/s to the canary, limit 1 %"
        yield Kind("A9", f"false alarms with 1 % failures: {words}", Watched(at, test), Seldom(0.01))
        yield Kind("A9", f"false alarms with 0.5 % failures: {words}", Watched(below, test), Seldom(0.0), 0.5)
    often = Threshold(Traffic(5.0, (1.0,), 0.005, 0.005), 0.01, 1)
    yield Kind("A9", "the same at 5 req/s for one minute above 1 %", often, Shown(), 0.2)


def _latency() -> Iterator[Kind]:
    # Log-normal latencies of which 12.4 % are above 100 ms and 1 % above 200 ms, all of them 1.5 times as long.
    for edge, stable, canary in (("100 ms", 0.124, 0.3193), ("200 ms", 0.01, 0.0504)):
        traffic = Traffic(stable=stable, canary=canary, windows=HALF_HOUR)
        yield Kind("A10", f"latency × 1.5, share above {edge}, tolerance 0", Watched(traffic, STRICT), Soon(40))
    yield Kind("A10", "signs of gauges: false alarms where either side is slower by chance", Signs(0.5), Seldom(0.01))
    yield Kind("A10", "signs of gauges: the canary is always slower", Signs(1.0), Soon(10, 10, "windows"), 0.01)


def _early() -> Iterator[Kind]:
    good = Traffic(stable=0.001, canary=0.001, windows=HALF_HOUR)
    yield Kind("A11", "a step with 0.1 % failures has shown enough", Passing(good), Soon(120), 0.5)
    for share in (0.1, 0.5):
        bad = Traffic(weights=(share,), canary=0.02, windows=HALF_HOUR)
        what = f"1 → 2 % passes for not worse, weight {percent(share)}"
        yield Kind("A11", what, Passing(bad), Seldom(0.05), 0.5)
    clustered = Traffic(weights=(0.5,), stable=0.03, canary=0.06, windows=HALF_HOUR, retries=3)
    yield Kind("A11", "3 → 6 %, each failure tried 3 times, passes", Passing(clustered), Seldom(0.05), 0.5)
    for rate, requests in ((0.001, 5.0), (0.01, 50.0), (0.2, 50.0)):
        what = f"a rate of {percent(rate)} is outside of its 95 % interval at one of 1000 looks"
        yield Kind("CI", what, Missed(rate, 0.05, requests), Seldom(0.05), 0.1)


def _fast() -> Iterator[Kind]:
    second = Traffic(canary=0.2, seconds=1.0, windows=300)
    yield Kind("1 s", "1 → 20 %, windows of 1 s", Watched(second), Soon(5))
    healthy = Traffic(seconds=1.0, windows=1800)
    yield Kind("1 s", "false alarms in 30 min", Watched(healthy, RateRatio(horizon=1800)), Seldom(0.01), 0.25)


def _forecasts() -> Iterator[Kind]:
    test = RateRatio()
    for rps, share in ((10.0, 0.1), (100.0, 0.1), (100.0, 0.5), (1000.0, 0.05)):
        expected = Expected(rps * share * 10.0, rps * (1.0 - share) * 10.0, 0.01)
        rate = detectable_rate(test, expected, 30)
        assert rate is not None  # a canary that fails every request is found
        traffic = Traffic(rps, (share,), canary=rate, windows=30)
        what = f"{rps:g} req/s, weight {percent(share)}: what is said to be seen in 5 min is, here 1 → {percent(rate)}"
        yield Kind("size", what, Watched(traffic), Always(0.85, 300.0), 0.5)
