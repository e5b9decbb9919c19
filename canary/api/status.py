"""What the controller reports in a Canary's status.

Every text and list is bounded, as in the spec; whoever fills them cuts to the constants of `canary.api.fields`, because
an API server refuses a status that is too long.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from canary.api.fields import (
    ATOMIC,
    BY_NAME,
    BY_TYPE,
    Count,
    Message,
    Revision,
    StepNumber,
    Text,
    Time,
    Word,
)

MAX_HISTORY = 10
MAX_REJECTED = 10
MAX_CONDITIONS = 16
MAX_METRICS = 16


class _Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of the status. Unknown fields are ignored: an older controller may read a newer status."""


class Condition(_Report, frozen=True, kw_only=True):
    """One statement about the Canary, in the form that all Kubernetes conditions have."""

    type: Annotated[
        Word,
        Meta(
            description="Ready, Reconciling, Stalled, Paused, Promoted; and, while it is so, ReplicasManagedElsewhere "
            "or TrafficNotFollowing."
        ),
    ]
    status: Annotated[Literal["True", "False", "Unknown"], Meta(description="Whether the condition holds.")]
    observed_generation: Annotated[Count, Meta(description="The metadata.generation that it speaks about.")] = 0
    last_transition_time: Annotated[Time, Meta(description="When `status` last changed.")] = ""
    reason: Annotated[Word, Meta(description="Why, in one word for programs.")] = ""
    message: Annotated[Message, Meta(description="Why, in words for people.")] = ""


class MetricStatus(_Report, frozen=True, kw_only=True):
    """The latest verdict on one metric, in words and numbers."""

    name: Annotated[Text, Meta(min_length=1, description="Name of the metric in spec.analysis.metrics.")]
    verdict: Annotated[Word, Meta(description="Healthy, Collecting, Breach, SharedDegradation, NoData or SourceError.")]
    canary: Annotated[Text, Meta(description="The value of the canary, with its unit.")] = ""
    stable: Annotated[Text, Meta(description="The value of stable in the same window, with its unit.")] = ""
    limit: Annotated[Text, Meta(description="The limit that the value was held against, with its unit.")] = ""
    evidence: Annotated[
        Text, Meta(description="Where the metric is tested: the evidence against the canary, and how much is enough.")
    ] = ""
    message: Annotated[Message, Meta(description="The verdict in words.")] = ""


class HistoryEntry(_Report, frozen=True, kw_only=True):
    """One finished rollout."""

    revision: Annotated[Revision, Meta(description="The revision that was rolled out.")]
    started_at: Annotated[Time, Meta(description="When the rollout began.")] = ""
    ended_at: Annotated[Time, Meta(description="When the rollout ended.")] = ""
    outcome: Annotated[Text, Meta(description="Promoted or RolledBack.")] = ""
    reason: Annotated[Text, Meta(description="What decided the outcome.")] = ""


Rejected = Annotated[Revision, Meta(description="A revision that was rolled back.")]


class Record(_Report, frozen=True, kw_only=True):
    """What outlives the TrafficSplit: a copy of its state, read back only as a restriction."""

    seq: Annotated[Count, Meta(description="Number of the last state that was written to the TrafficSplit.")] = 0
    epoch: Annotated[Count, Meta(description="Number of the controller's term that wrote it.")] = 0
    split_uid: Annotated[Text, Meta(description="The uid of the TrafficSplit.")] = msgspec.field(
        name="splitUID", default=""
    )
    serving: Annotated[Text, Meta(description="The Service that serves.")] = ""
    promoted: Annotated[Revision, Meta(description="The revision that was promoted last.")] = ""
    rejected: Annotated[
        tuple[Rejected, ...],
        Meta(
            max_length=MAX_REJECTED,
            description="Revisions that were rolled back; they need `retry`.",
            extra_json_schema=ATOMIC,
        ),
    ] = ()
    command: Annotated[Revision, Meta(description="The last command that was acted on.")] = ""
    abort: Annotated[Revision, Meta(description="The last abort that was acted on.")] = ""
    split_version: Annotated[Text, Meta(description="The API version in which the TrafficSplit is written.")] = ""


class CanaryStatus(_Report, frozen=True, kw_only=True):
    """What the controller has seen, decided and done."""

    observed_generation: Annotated[
        int,
        Meta(
            ge=-1,
            le=9_007_199_254_740_991,
            description="The metadata.generation of this status; -1 until the controller has seen the Canary.",
        ),
    ] = -1
    phase: Annotated[
        Text,
        Meta(
            description="Initializing, Idle, Progressing, Promoting, RollingBack, RolledBack, Promoted or Invalid; "
            "for people, programs read the conditions."
        ),
    ] = ""
    canary_weight: Annotated[
        Annotated[int, Meta(ge=0, le=100)] | None, Meta(description="Percentage of traffic that the canary gets.")
    ] = None
    step: Annotated[StepNumber | None, Meta(description="Number of the current step, counted from 1.")] = None
    steps: Annotated[StepNumber | None, Meta(description="How many steps the plan has.")] = None
    stable_revision: Annotated[Revision, Meta(description="The revision that serves.")] = ""
    canary_revision: Annotated[Revision, Meta(description="The revision that is, or was last, rolled out.")] = ""
    promoted_revision: Annotated[Revision, Meta(description="The spec.revision that was promoted last.")] = ""
    last_applied_revision: Annotated[
        Revision, Meta(description="The spec.revision that the controller last acted on.")
    ] = ""
    failed_windows: Annotated[Count, Meta(description="Breached windows of this rollout so far.")] = 0
    next_evaluation: Annotated[Time | None, Meta(description="When the controller next judges, at the latest.")] = None
    message: Annotated[Message, Meta(description="What happens now, in words.")] = ""
    metrics: Annotated[
        tuple[MetricStatus, ...],
        Meta(max_length=MAX_METRICS, description="The latest verdict on each metric.", extra_json_schema=BY_NAME),
    ] = ()
    conditions: Annotated[
        tuple[Condition, ...],
        Meta(max_length=MAX_CONDITIONS, description="What holds, and what does not.", extra_json_schema=BY_TYPE),
    ] = ()
    history: Annotated[
        tuple[HistoryEntry, ...],
        Meta(max_length=MAX_HISTORY, description="The last rollouts, newest first.", extra_json_schema=ATOMIC),
    ] = ()
    record: Annotated[
        Record | None, Meta(description="Memory of the controller, kept in case the TrafficSplit is lost.")
    ] = None
