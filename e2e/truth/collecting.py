"""A control plane that is alone with what is asked of it, and whose garbage collector knows both custom resources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from e2e.plane import Plane
from e2e.truth.objects import CANARIES, SPLITS, canary, owner, split
from e2e.truth.probe import typed

# They write the status of every autoscaler and budget, in their own time.
_WRITERS = ("horizontal-pod-autoscaler-controller", "disruption-controller")


@contextmanager
def collecting(plane: Plane) -> Iterator[Plane]:
    """`plane`, once a dependent goes with its owner; without the controllers that write into what is compared.

    A garbage collector looks for new kinds twice a minute; one that has just started knows them at once.
    """
    plane.restart_controllers(without=_WRITERS)
    try:
        _collects(plane)
        yield plane
    finally:
        plane.restart_controllers()


def _collects(plane: Plane) -> None:
    parent = plane.api.json("POST", CANARIES.path("default"), {**typed(CANARIES), **canary("parent")})
    child = split("child", ownerReferences=[owner(CANARIES, parent)])
    plane.api.json("POST", SPLITS.path("default"), {**typed(SPLITS), **child})
    plane.api.json("DELETE", CANARIES.path("default", "parent"))
    plane.controller_manager.wait_until(lambda: not plane.api.json("GET", SPLITS.path("default"))["items"], 90.0)
