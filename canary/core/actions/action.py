"""One action on the workload."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from canary.core.workload import Selects


class Deed(StrEnum):
    """What is done. The value is the word in logs."""

    FILL_GAP = "FillGap"
    """Create or repair a part of ours that moves no traffic: a backend Service, the copy of an autoscaler."""
    PIN = "Pin"
    """Keep the candidate's template, and its configuration, under the name of its revision."""
    UNPIN = "Unpin"
    CREATE_STABLE = "CreateStable"
    WRITE_STABLE = "WriteStable"
    """Put the template of a pinned revision into the stable Deployment."""
    SCALE_STABLE = "ScaleStable"
    STAMP_STABLE = "StampStable"
    SCALE_CANDIDATE = "ScaleCandidate"
    RESTORE_CANDIDATE = "RestoreCandidate"
    """Put the template of a pinned revision into the user's Deployment: only when the Canary is deleted."""
    PAUSE_SCALER = "PauseScaler"
    """Let KEDA hold the user's Deployment at `replicas`."""
    RESUME_SCALER = "ResumeScaler"
    CREATE_ROOT = "CreateRoot"
    POINT_ROOT = "PointRoot"
    STAMP_ROOT = "StampRoot"
    POINT_BACKEND = "PointBackend"
    """Let the stable Service select the pods of one side."""
    YIELD_CANDIDATE = "YieldCandidate"
    """Drop our claim to fields of the user's Deployment, lest whoever applies it meets a conflict. No value changes."""
    YIELD_ROOT = "YieldRoot"
    REMOVE = "Remove"
    DISOWN = "Disown"
    """Take our marks off a part and leave it."""


class Action(msgspec.Struct, frozen=True):
    """One write to one object. Which fields matter depends on the deed; `part` names an object as `Kind/name`.

    `stamp` is the number of the state under which it is done, 0 before there is one; it is written into the object.
    """

    deed: Deed
    revision: str = ""
    replicas: int = 0
    size: int = 0
    to: Selects = Selects.STABLE
    part: str = ""
    stamp: int = 0
