"""Comparisons that may be looked at in every window and still keep their promise.

Each test here is an e-process: a number that starts at 1 and that, as long as its null hypothesis holds, has an
expected value of at most 1 whenever one looks. Ville's inequality (Ville 1939; Howard, Ramdas, McAuliffe and Sekhon,
"Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49(2), 2021) then bounds the
probability that it *ever* reaches 1/alpha by alpha. So "evidence 151:1, needs 100:1" is a rollback that a healthy
release meets with probability at most 1 %, however often somebody looked.

`RateRatio` compares the canary with stable, `RateLimit` the canary with a limit; `count` feeds either with one window
and returns the `Evidence`, which is plain data: it is stored, and goes on after a restart. `interval` bounds a rate at
all times at once, `Early` tells when a step has shown enough, and `sample_size` says what a given traffic can show at
all.

The promise holds for requests that fail independently, and for rates that drift, weights that change and outages that
both sides share. Where failures come in clusters it rests on the dispersion factor, which is empirical.
"""

from canary.core.evidence.counts import Counts, WindowCounts, failures, slower
from canary.core.evidence.early import Early
from canary.core.evidence.hypotheses import RateLimit, RateRatio, fewest_windows
from canary.core.evidence.interval import Interval, interval
from canary.core.evidence.latency import Gauge, sign, sign_test, watch_points
from canary.core.evidence.process import Evidence, Finding, Outcome, Test, count
from canary.core.evidence.sample_size import Traffic, detectable_rate, requests_to_show, windows_to_detect

__all__ = [
    "Counts",
    "Early",
    "Evidence",
    "Finding",
    "Gauge",
    "Interval",
    "Outcome",
    "RateLimit",
    "RateRatio",
    "Test",
    "Traffic",
    "WindowCounts",
    "count",
    "detectable_rate",
    "failures",
    "fewest_windows",
    "interval",
    "requests_to_show",
    "sign",
    "sign_test",
    "slower",
    "watch_points",
    "windows_to_detect",
]
