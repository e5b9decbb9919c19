"""The words of a Canary's conditions. Programs match on them, so they only ever grow; docs tables are made of them.

Source of the form: Kubernetes API conventions, "Typical status properties".
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class _Word(StrEnum):
    """A word that other programs read, with its meaning for people in one line."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        word = str.__new__(cls, value)
        word._value_ = value
        word.meaning = meaning
        return word


class ConditionType(_Word):
    """The conditions that a Canary has."""

    READY = "Ready", "The promoted revision serves, and nothing is under way or wrong."
    RECONCILING = "Reconciling", "The controller works towards the spec, or waits for something that may still come."
    STALLED = "Stalled", "Nothing goes on until somebody acts; the message says what to do."
    PAUSED = "Paused", "A rollout, or the next one, is held by people or by a policy."
    PROMOTED = "Promoted", "The revision that was rolled out last serves all traffic."
    REPLICAS_MANAGED_ELSEWHERE = (
        "ReplicasManagedElsewhere",
        "Somebody else applies the target's replicas; leave spec.replicas out of the manifest.",
    )
    TRAFFIC_NOT_FOLLOWING = (
        "TrafficNotFollowing",
        "The target should have no traffic for longer than spec.progressDeadline, and still gets some: its pods stay.",
    )


class Reason(_Word):
    """Why a condition is as it is."""

    # Nothing to do.
    SERVING = "Serving", "One revision serves all traffic and no other is asked for."
    PROMOTED = "Promoted", "The revision was promoted and serves all traffic."
    REVISION_WITHOUT_CANARY = (
        "RevisionWithoutCanary",
        "The pods of the serving Service changed; there was nothing to compare the new revision with.",
    )
    ROOT_SELECTS_CANARY = "RootSelectsCanary", "The root Service selects the canary's pods instead of what serves."

    # On the way.
    INITIALIZING = "Initializing", "The Canary is new; its TrafficSplit is being made or taken over."
    ANALYSING = "Analysing", "The current weight is held and judged."
    COLLECTING = "Collecting", "The step waits for minRequests, or for the sample that a test needs."
    BREACH = "Breach", "The last window was outside a limit; failureLimit is not reached yet."
    SHARED_DEGRADATION = "SharedDegradation", "Canary and stable are both outside a limit; the rollout holds."
    NO_DATA = "NoData", "The last window had no usable sample."
    SOURCE_ERROR = "SourceError", "The metrics source failed or answered nonsense in the last window."
    WARMING_UP = "WarmingUp", "The canary's pods are ready and get spec.analysis.warmup before they are judged."
    PROMOTING = "Promoting", "All steps have passed; the last full window at 100 % is awaited."
    ROLLING_BACK = "RollingBack", "Traffic has been taken back; the rollout is being closed."
    DELETING = "Deleting", "The Canary is being deleted; traffic goes to what serves."
    WAITING_FOR_DELETION = "WaitingForDeletion", "The TrafficSplit is being deleted; it is made anew afterwards."
    WAITING_FOR_ENDPOINTS = "WaitingForEndpoints", "A Service has no ready endpoint yet."
    WAITING_FOR_METRICS = "WaitingForMetrics", "The metrics source has not answered yet."
    WAITING_FOR_RECORD = "WaitingForRecord", "The status still lists the revision as rejected."
    WAITING_FOR_REVISION = "WaitingForRevision", "The canary's pods are of several revisions, or are changing."
    WAITING_FOR_SERVICE = "WaitingForService", "A Service that the spec names does not exist yet."
    WAITING_FOR_TRAFFIC_SPLIT = "WaitingForTrafficSplit", "The TrafficSplit, or its API, has not been read yet."
    WAITING_FOR_WORKLOAD = "WaitingForWorkload", "spec.revision changed and the workload has not followed yet."
    WAITING_FOR_TARGET = "WaitingForTarget", "The workload that spec.targetRef names does not exist yet."
    WAITING_FOR_STABLE = "WaitingForStable", "The pods of the stable side are being replaced."
    ONBOARDING = "Onboarding", "The stable copy of the target is being made, before traffic goes to it."
    SCALING_UP = "ScalingUp", "The canary's pods are being started and are awaited."
    DRAINING = "Draining", "A side without traffic finishes its last requests before it is scaled down."
    PODS_FAILING = "PodsFailing", "Pods cannot start; the message has the words of their container."
    METRICS_UNAVAILABLE = "MetricsUnavailable", "The metrics source fails; it is asked again."

    # Held.
    PAUSED = "Paused", "Held by the command `pause`, until `resume`."
    SUSPENDED = "Suspended", "Held by spec.suspend."
    WAITING_FOR_APPROVAL = "WaitingForApproval", "The current step is an approval that has not been given."
    MANUAL_WEIGHT = "ManualWeight", "Somebody lowered the weight in the TrafficSplit by hand; held until `resume`."
    METRICS_HOLD = "MetricsHold", "Held by the action Hold of noData or sourceError, until the next usable window."

    # Over, without success.
    ROLLED_BACK = "RolledBack", "The revision was rolled back; it needs another revision, or `retry`."
    CHECK_FAILED = "CheckFailed", "Rolled back: failureLimit breached windows, one beyond rollbackAt, or evidence."
    ABORTED = "Aborted", "Rolled back by an abort."
    REJECTED = "Rejected", "The revision was rolled back before; it needs `retry`."
    REBUILT = "Rebuilt", "Memory of a running rollout was lost with the TrafficSplit; the rollout was ended for safety."
    PROMOTION_FAILED = "PromotionFailed", "Stable did not become ready with the new revision; the previous one is back."
    TEMPLATE_RESTORED = "TemplateRestored", "The promoted pod template was put back in place of a rejected one."
    BACK_TO_SERVING = "BackToServing", "The spec asked for the serving revision again; the rollout ended."
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        "Something that was waited for did not come within spec.progressDeadline.",
    )

    # Stuck.
    INVALID_SPEC = "InvalidSpec", "The spec cannot be carried out; the message names each field."
    METRICS_TARGET_UNKNOWN = (
        "MetricsTargetUnknown",
        "No workload was found whose metrics could be read; set spec.analysis.target.",
    )
    NAME_TAKEN = "NameTaken", "An object that would be made exists already and belongs to somebody else."
    PORT_MISMATCH = "PortMismatch", "A backend Service lacks a port of the root Service."
    SELECTOR_CONFLICT = (
        "SelectorConflict",
        "Something that routes or filters traffic selects the target's pods but would miss those of its stable copy.",
    )
    SERVICE_MANAGED_ELSEWHERE = (
        "ServiceManagedElsewhere",
        "Somebody else manages the root Service; spec.service.adopt decides whether it is taken over.",
    )
    SERVING_UNKNOWN = "ServingUnknown", "Nothing says which Service serves; no traffic is moved."
    STABLE_UNAVAILABLE = "StableUnavailable", "What serves has no ready endpoint, so that traffic cannot go back to it."
    STATE_VERSION = "StateVersion", "The TrafficSplit was written by a newer controller; weights only go down."
    TARGET_UNSUPPORTED = (
        "TargetUnsupported",
        "The target cannot be rolled out in this way; the message says what it would need.",
    )
    TRAFFIC_SPLIT_UNAVAILABLE = (
        "TrafficSplitUnavailable",
        "The TrafficSplit, or the version of it that the spec asks for, cannot be used; the message says why.",
    )
    TRAFFIC_CONFLICT = "TrafficConflict", "Somebody else controls a TrafficSplit of the same root Service."
    TRAFFIC_WRITE_REFUSED = "TrafficWriteRefused", "The API server refuses the write that would lower the weight."
    WORKLOAD_WRITE_REFUSED = (
        "WorkloadWriteRefused",
        "The API server refuses a write that managed mode needs; the message quotes it.",
    )

    # Beside all of these, about one condition only.
    REPLICAS_MANAGED_ELSEWHERE = (
        "ReplicasManagedElsewhere",
        "The message names the field manager that applies the target's replicas.",
    )
    TRAFFIC_NOT_FOLLOWING = "TrafficNotFollowing", "Proxies still send traffic to a side that should have none."


__all__ = ["ConditionType", "Reason"]
