"""Deployments, ReplicaSets, Pods and EndpointSlices of the embedded cluster, kept by watches.

What a kubelet, the deployment controller and the endpoint controller do, as far as a rollout sees it: pods become ready
after a delay, templates roll, Services follow ready pods.
"""

from __future__ import annotations

from canary.sandbox.workloads.controller import WorkloadController
from canary.sandbox.workloads.objects import BEHAVIOUR_ANNOTATION, READY_ANNOTATION, START_DELAY_ANNOTATION

__all__ = ["BEHAVIOUR_ANNOTATION", "READY_ANNOTATION", "START_DELAY_ANNOTATION", "WorkloadController"]
