"""What managed mode costs the API server, counted in its audit log."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from e2e.managed.shop import GITOPS, ManagedShop
from e2e.plane import AuditEvent, Mark
from e2e.shop import NAME

STEPS = [{"weight": weight, "hold": "3s"} for weight in (10, 20, 40, 60, 80)]
MOST = 60
SCALES = 4
"""How often the Deployment is written at most: once more each, where the claim to it is dropped for who applies it."""
IDLE = 3.0


def costs(shop: ManagedShop, mark: Mark) -> Counter[str]:
    """What was asked for since `mark`, besides watches and metrics, by verb and resource."""
    return Counter(words(e) for e in shop.requests(mark) if e.verb != "watch" and e.group != "metrics.smi-spec.io")


def words(event: AuditEvent) -> str:
    return f"{event.verb} {event.resource}{'/' if event.subresource else ''}{event.subresource}"


@pytest.mark.parametrize(
    ("manager", "most"),
    [("kustomize-controller", MOST), (GITOPS, MOST + SCALES)],
    ids=["forces what it applies", "may meet a conflict"],
)
def test_a_rollout_of_five_steps_takes_sixty_requests_and_idling_none(
    managed: ManagedShop, manager: str, most: int
) -> None:
    managed.manager = manager
    managed.open()
    managed.onboard(steps=STEPS)
    managed.until_told("Idle")
    time.sleep(2.0)
    mark = managed.plane.audit.mark()
    time.sleep(IDLE)
    assert not costs(managed, mark)
    mark = managed.plane.audit.mark()
    managed.push("2")
    managed.until_told("Promoted", timeout=60)
    managed.until(lambda: managed.replicas(NAME) == 0, "candidate at rest")
    time.sleep(2.0)
    found = costs(managed, mark)
    conflicts = sum(event.code == 409 for event in managed.requests(mark))
    print(f"\n{found.total()} requests, {conflicts} conflicts: {dict(found.most_common())}")
    assert managed.raised() == [0, 10, 20, 40, 60, 80, 0]
    assert found.total() <= most, found
    mark = managed.plane.audit.mark()
    time.sleep(IDLE)
    assert not costs(managed, mark)
