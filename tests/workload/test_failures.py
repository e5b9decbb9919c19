"""What keeps pods from being ready, in one sentence."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.workload.failures import LIMIT, crash_looping, deployment_trouble, pod_trouble
from tests.workload.templates import JSON, spoiled

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()


def container(name="app", *, ready=False, restarts=0, last=None, **state):
    status = {"name": name, "ready": ready, "restartCount": restarts, "state": state}
    return status | ({"lastState": {"terminated": last}} if last else {})


def waiting(reason, message="", **more):
    return container(waiting={"reason": reason, "message": message}, **more)


def running(since="2026-01-01T11:59:58Z", **more):
    return container(running={"startedAt": since}, **more)


def ended(code=1, reason="Error", message="", start="2026-01-01T11:59:50Z", end="2026-01-01T11:59:55Z"):
    return {"exitCode": code, "reason": reason, "message": message, "startedAt": start, "finishedAt": end}


def pod(*containers, ready=False, inits=(), phase="Running", conditions=None, metadata=None, **status):
    unready = {"reason": "ContainersNotReady", "message": "containers with unready status: [app]"}
    ready_now = {"type": "Ready", "status": "True"} if ready else {"type": "Ready", "status": "False", **unready}
    return {
        "metadata": metadata or {"name": "web-1"},
        "status": {
            "phase": phase,
            "conditions": [ready_now] if conditions is None else conditions,
            "containerStatuses": list(containers),
            "initContainerStatuses": list(inits),
            **status,
        },
    }


GOOD = pod(running(ready=True), ready=True)
UNREADY = pod(running())
LOOPING = pod(waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container", restarts=7, last=ended()))
UNSCHEDULABLE = pod(
    phase="Pending",
    conditions=[
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient cpu.",
        }
    ],
)
EVICTED = pod(
    container(terminated=ended(137)),
    phase="Failed",
    reason="Evicted",
    message="The node was low on resource: memory.",
)
NO_IMAGE = pod(waiting("ImagePullBackOff", 'Back-off pulling image "web:2": ErrImagePull: not found'), phase="Pending")
NO_CONFIG = pod(waiting("CreateContainerConfigError", 'configmap "flags" not found'), phase="Pending")
OUT_OF_MEMORY = pod(running(last=ended(137, "OOMKilled"), restarts=1))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (NO_IMAGE, 'container app ImagePullBackOff: Back-off pulling image "web:2": ErrImagePull: not found'),
        (pod(waiting("ErrImagePull", "manifest unknown")), "container app ErrImagePull: manifest unknown"),
        (
            pod(waiting("InvalidImageName", "couldn't parse image name")),
            "container app InvalidImageName: couldn't parse image name",
        ),
        (LOOPING, "container app CrashLoopBackOff: exit code 1"),
        (
            pod(waiting("CrashLoopBackOff", last=ended(2, message="Traceback:\n  a.py\nKeyError: 'region'\n"))),
            "container app CrashLoopBackOff: exit code 2, KeyError: 'region'",
        ),
        (
            pod(waiting("CrashLoopBackOff", last=ended(137, "OOMKilled"))),
            "container app CrashLoopBackOff: exit code 137 (OOMKilled)",
        ),
        (
            pod(waiting("CrashLoopBackOff", "back-off 10s", last=ended(0, "Completed"))),
            "container app CrashLoopBackOff: exit code 0 (Completed)",
        ),
        (
            pod(waiting("ImagePullBackOff", "not found", last=ended(1, message="boom"))),
            "container app ImagePullBackOff: not found",
        ),
        (pod(container(terminated=ended(3, message="no"))), "container app Error: exit code 3, no"),
        (OUT_OF_MEMORY, "container app was restarted after OOMKilled: exit code 137 (OOMKilled)"),
        (
            pod(running(last=ended(1, message="boom"), restarts=2)),
            "container app crashes again and again: exit code 1, boom",
        ),
        (NO_CONFIG, 'container app CreateContainerConfigError: configmap "flags" not found'),
        (UNSCHEDULABLE, "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu."),
        (EVICTED, "Evicted: The node was low on resource: memory."),
        (UNREADY, "not ready: containers with unready status: [app]"),
        (pod(waiting("ContainerCreating"), phase="Pending"), "container app ContainerCreating"),
        (
            pod(
                waiting("PodInitializing"),
                inits=[waiting("CrashLoopBackOff", name="migrate", last=ended(1, message="no table"))],
            ),
            "init container migrate CrashLoopBackOff: exit code 1, no table",
        ),
        (
            pod(waiting("PodInitializing"), inits=[container("init", ready=True, terminated=ended(0, "Completed"))]),
            "container app PodInitializing",
        ),
        (pod(phase="Failed", conditions=[]), "Failed"),
        ({"metadata": {"name": "new"}}, "not started yet"),
    ],
)  # fmt: skip
def test_a_pod_says_what_is_wrong(found, sentence):
    assert pod_trouble([found]) == f"1 of 1 pods: {sentence}"


@pytest.mark.parametrize(
    "fine",
    [
        [],
        [GOOD, GOOD],
        [GOOD, LOOPING | {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}],
        [pod(phase="Succeeded")],
        [pod(running(ready=True, restarts=1, last=ended()), ready=True)],
    ],
)
def test_nothing_is_said_when_nothing_is_wrong(fine):
    assert pod_trouble(fine) == ""


def test_a_pod_that_only_seems_ready_is_told():
    found = pod(running(ready=True, restarts=4, last=ended(1, message="boom")), ready=True)
    assert pod_trouble([found, GOOD]) == "1 of 2 pods: container app crashes again and again: exit code 1, boom"


def test_pods_with_the_same_trouble_are_counted_together_and_the_severest_comes_first():
    assert pod_trouble([UNREADY, LOOPING, GOOD, LOOPING, UNSCHEDULABLE]) == (
        "2 of 5 pods: container app CrashLoopBackOff: exit code 1; "
        "1 of 5 pods: Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.; "
        "1 of 5 pods: not ready: containers with unready status: [app]"
    )


MILDER = [NO_IMAGE, LOOPING, OUT_OF_MEMORY, NO_CONFIG, UNSCHEDULABLE, EVICTED, UNREADY]


@pytest.mark.parametrize(("severe", "mild"), list(itertools.pairwise(MILDER)))
def test_one_trouble_is_more_severe_than_the_next(severe, mild):
    first = pod_trouble([severe]).removeprefix("1 of 1 pods: ")
    assert pod_trouble([mild, mild, severe]).startswith(f"1 of 3 pods: {first}; 2 of 3 pods: ")


def test_the_severest_container_speaks_for_its_pod():
    both = pod(running(), waiting("ImagePullBackOff", "not found", name="proxy"))
    assert pod_trouble([both]) == "1 of 1 pods: container proxy ImagePullBackOff: not found"


MIXED = [*MILDER, GOOD, pod(waiting("CrashLoopBackOff", last=ended(2, message="boom")))]


@given(st.permutations(MIXED))
def test_the_order_of_pods_plays_no_part(pods):
    assert pod_trouble(pods) == pod_trouble(MIXED)


@given(st.lists(st.sampled_from([*MILDER, GOOD]), max_size=4), st.randoms(use_true_random=False), JSON)
def test_a_malformed_pod_makes_nothing_fall_over(pods, rng, junk):
    damaged = [found for found in (spoiled(found, rng, junk) for found in pods) if isinstance(found, dict)]
    assert len(pod_trouble(damaged)) <= LIMIT
    for found in damaged:
        crash_looping(found, NOW)
        deployment_trouble(found)


def test_a_sentence_is_bounded_however_much_there_is_to_say():
    many = [pod(waiting("ErrImagePull", "x" * 5000, name=f"c{number}")) for number in range(50)]
    assert len(pod_trouble(many)) == LIMIT
    assert pod_trouble(many).endswith("…")


def test_the_words_of_a_container_come_without_its_secrets():
    words = "cannot connect to postgres://app:hunter2@db/shop with password=hunter2"
    assert pod_trouble([pod(waiting("CrashLoopBackOff", last=ended(message=words)))]) == (
        "1 of 1 pods: container app CrashLoopBackOff: exit code 1, "
        "cannot connect to postgres://[redacted]@db/shop with password=[redacted]"
    )


# --- crash loops


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (LOOPING, True),
        (pod(waiting("CrashLoopBackOff", last=ended(0))), True),
        (pod(running(), waiting("CrashLoopBackOff", name="proxy")), True),
        (pod(inits=[waiting("CrashLoopBackOff")]), True),
        (pod(running(ready=True, restarts=2, last=ended()), ready=True), True),
        (pod(container(terminated=ended(), restarts=2, last=ended())), True),
        (pod(running(restarts=1, last=ended())), False),
        (pod(running(restarts=5, last=ended(0, "Completed"))), False),
        (pod(running(restarts=2)), False),
        (pod(waiting("ImagePullBackOff")), False),
        (GOOD, False),
        ({}, False),
    ],
)
def test_a_loop_is_a_back_off_or_two_restarts_after_an_error(found, expected):
    assert crash_looping(found) is expected


def test_a_crash_after_a_long_run_is_no_loop():
    seldom = ended(start="2026-01-01T06:00:00Z", end="2026-01-01T11:59:55Z")
    assert not crash_looping(pod(running(restarts=5, last=seldom)))
    assert crash_looping(pod(running(restarts=5, last=ended())))


def test_a_loop_is_over_when_the_present_run_lasts():
    found = pod(running("2026-01-01T11:49:59Z", ready=True, restarts=5, last=ended()), ready=True)
    assert not crash_looping(found, NOW)
    assert crash_looping(found, NOW - 60)
    assert crash_looping(found)


# --- Deployments


def deployment(*conditions):
    names = ("type", "status", "reason", "message")
    return {"status": {"conditions": [dict(zip(names, condition, strict=True)) for condition in conditions]}}


QUOTA = 'pods "web-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4'
TIMED_OUT = 'ReplicaSet "web-5b9c" has timed out progressing.'


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({}, ""),
        (deployment(("Available", "False", "MinimumReplicasUnavailable", "no minimum availability")), ""),
        (deployment(("Progressing", "True", "NewReplicaSetAvailable", "done")), ""),
        (deployment(("Progressing", "Unknown", "DeploymentPaused", "paused")), ""),
        (deployment(("ReplicaFailure", "False", "x", "y")), ""),
        (deployment(("ReplicaFailure", "True", "FailedCreate", QUOTA)), f"FailedCreate: {QUOTA}"),
        (
            deployment(
                ("Progressing", "False", "ProgressDeadlineExceeded", TIMED_OUT),
                ("ReplicaFailure", "True", "FailedCreate", QUOTA),
            ),
            f"FailedCreate: {QUOTA}; ProgressDeadlineExceeded: {TIMED_OUT}",
        ),
        (deployment(("Progressing", "False", "", "")), "Progressing"),
    ],
)
def test_a_deployment_says_what_is_wrong(found, sentence):
    assert deployment_trouble(found) == sentence


def test_the_words_of_a_deployment_are_bounded():
    long = "x" * 1000
    found = deployment(("ReplicaFailure", "True", "A", long), ("Progressing", "False", "B", long))
    assert len(deployment_trouble(found)) <= LIMIT
