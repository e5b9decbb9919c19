"""The pods of the cluster, as the mesh knows them: by name, with the Deployment behind each."""

from __future__ import annotations

from canary.sandbox.mesh.behaviour import Behaviour, behaviour_of
from canary.sandbox.mesh.observations import Source
from canary.sandbox.mirror import Mirror
from canary.sandbox.workloads.objects import TEMPLATE_HASH_LABEL, Pod, controller_of


def deployment_of(pod: Pod) -> str:
    """The name of the Deployment behind a pod, read off the name of its ReplicaSet; `""` when there is none."""
    owner = controller_of(pod.metadata)
    digest = pod.metadata.labels.get(TEMPLATE_HASH_LABEL, "")
    if owner is None or owner[0] != "ReplicaSet" or not owner[1].endswith(f"-{digest}"):
        return ""
    return owner[1].removesuffix(f"-{digest}")


def source_of(pods: Mirror[Pod], namespace: str, service: str, name: str) -> Source:
    """Who answers when pod `name` is asked as `service`."""
    pod = pods.get(namespace, name)
    return Source(namespace, service, "" if pod is None else deployment_of(pod), name)


UNREACHABLE = Behaviour(version="", error_percent=100.0, median=0.001, spread=0.0)
"""What a client sees of a Service that nobody answers for."""


def behaviour_in(pods: Mirror[Pod], namespace: str, name: str) -> Behaviour:
    """How pod `name` answers."""
    pod = pods.get(namespace, name)
    return UNREACHABLE if pod is None else behaviour_of(pod.metadata)
