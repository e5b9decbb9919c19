"""Every metric that the controller exports: name, type, labels and meaning. The reference page is made of it.

Names follow the Prometheus conventions (https://prometheus.io/docs/practices/naming/). Label values are bounded: names
of Canaries, and words from fixed lists. Series of a Canary go with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CANARY = ("namespace", "name")
"""The labels of everything that belongs to one Canary."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `labels` in the order in which values are given."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_REQUEST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_WORK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
_SAFETY = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

WEIGHT = Family("canary_weight", "gauge", "Percent of the traffic that goes to the canary.", CANARY)
PHASE = Family("canary_phase", "gauge", "1 for the phase that the Canary is in, 0 for the others.", (*CANARY, "phase"))
STEP = Family("canary_step", "gauge", "The step that is carried out, counted from 1; 0 before the first.", CANARY)
FAILED_WINDOWS = Family("canary_failed_windows", "gauge", "Breached windows that this rollout has counted.", CANARY)
VALUE = Family(
    "canary_metric_value", "gauge",
    "What the last judged window measured by side (canary, stable): percent of success, or seconds of latency.",
    (*CANARY, "metric", "side"),
)  # fmt: skip
LIMIT = Family(
    "canary_metric_limit", "gauge", "The limit of the spec, in the unit of canary_metric_value.", (*CANARY, "metric")
)
EVIDENCE = Family(
    "canary_evidence", "gauge",
    "Evidence that the canary is worse than stable or beyond its limit, so many to 1, of metrics that are tested.",
    (*CANARY, "metric"),
)  # fmt: skip
EVIDENCE_NEEDED = Family(
    "canary_evidence_needed", "gauge", "The canary_evidence that ends the rollout.", (*CANARY, "metric")
)
VERDICTS = Family(
    "canary_verdict_total", "counter", "Judged metrics windows by verdict, each counted once.", (*CANARY, "verdict")
)
ROLLOUTS = Family(
    "canary_rollouts_total", "counter",
    "Rollouts that ended, by outcome: Promoted, or the reason of the rollback.", (*CANARY, "outcome"),
)  # fmt: skip
SPLIT_WRITES = Family(
    "canary_split_writes_total", "counter",
    "Writes of a split by direction (Up, Down, Level) and outcome (Accepted, Conflict, TooOld, Refused, Failed).",
    ("direction", "outcome"),
)  # fmt: skip
BREACH_TO_SAFE = Family(
    "canary_breach_to_safe_seconds", "histogram",
    "Seconds from the end of the window whose breach ended the rollout until traffic was back.", buckets=_SAFETY,
)  # fmt: skip
API_REQUESTS = Family(
    "canary_api_requests_total", "counter",
    "Requests to the API server, by status code, or unreachable, ambiguous, timeout, cancelled, error.",
    ("verb", "resource", "code"),
)  # fmt: skip
API_SECONDS = Family(
    "canary_api_request_duration_seconds", "histogram", "Duration of requests to the API server; watches: of opening.",
    ("verb", "resource"), _REQUEST,
)  # fmt: skip
API_SILENCE = Family(
    "canary_api_silence_seconds", "gauge", "Seconds without a word from the API server; 0 unless requests fail."
)
QUEUE_DEPTH = Family("canary_queue_depth", "gauge", "Canaries that are due and wait for a worker.")
QUEUE_DELAYED = Family("canary_queue_delayed", "gauge", "Canaries that wait for their time.")
QUEUE_ADDS = Family("canary_queue_adds_total", "counter", "How often a Canary became due.")
QUEUE_RETRIES = Family("canary_queue_retries_total", "counter", "How often a Canary became due again after a failure.")
QUEUE_SECONDS = Family(
    "canary_queue_wait_seconds", "histogram", "Seconds from being due until a worker began.", buckets=_WORK
)
WORK_SECONDS = Family("canary_reconcile_duration_seconds", "histogram", "Seconds that a reconcile took.", buckets=_WORK)
RECONCILES = Family(
    "canary_reconciles_total", "counter", "Reconciles by outcome (Succeeded, Failed, TimedOut).", ("outcome",)
)
WORKERS = Family("canary_workers", "gauge", "Workers that reconcile side by side.")
WORKERS_BUSY = Family("canary_workers_busy", "gauge", "Workers that are reconciling.")
LONGEST = Family("canary_longest_running_reconcile_seconds", "gauge", "Age of the oldest reconcile that still runs.")
LEADER = Family("canary_leader", "gauge", "1 while this process leads, also without leader election.")
WATCH_SILENCE = Family(
    "canary_watch_silence_seconds", "gauge", "Seconds since the quietest watch of a resource was heard.", ("resource",)
)
EVENTS = Family(
    "canary_events_total", "counter",
    "Kubernetes events by outcome (Posted, Existed, Repeated, Limited, Dropped, Forbidden, Failed).", ("outcome",),
)  # fmt: skip
EVENTS_WAITING = Family("canary_events_waiting", "gauge", "Kubernetes events that wait to be posted.")
LOOP_LAG = Family("canary_loop_lag_seconds", "gauge", "How late the event loop woke up last.")
LOOP_LAG_MAX = Family("canary_loop_lag_max_seconds", "gauge", "How late it ever woke up.")
LOG_DROPPED = Family("canary_log_lines_dropped_total", "counter", "Log lines that were dropped as nobody read them.")
BUILD = Family("canary_build_info", "gauge", "1, with the version of the controller.", ("version",))

FAMILIES: tuple[Family, ...] = tuple(value for value in tuple(globals().values()) if isinstance(value, Family))
