"""A split in the words of the decision: which backends are taken as they are, and which are called malformed."""

from __future__ import annotations

from typing import Any

import pytest

from canary.api.kinds import ManagedMeta, SplitBackend, SplitSpec, TrafficSplit
from canary.core.observed import Backend
from canary.traffic.view import Owner, split_view

OWNER = Owner("shop", "podinfo", "uid", "podinfo")


def view(*backends: tuple[str, Any]) -> tuple[tuple[Backend, ...], bool]:
    """The backends of a split with these, and whether it is malformed."""
    listed = tuple(SplitBackend(service, weight) for service, weight in backends)
    found = split_view(TrafficSplit(ManagedMeta(name="podinfo"), SplitSpec("podinfo", listed)), OWNER)
    return found.backends, found.malformed


def test_integers_that_sum_to_100_are_taken_as_they_are() -> None:
    assert view(("v2", 10), ("v1", 90)) == ((Backend("v2", 10), Backend("v1", 90)), False)


@pytest.mark.parametrize(
    ("backends", "shares"),
    [
        pytest.param([("v1", 50), ("v1", 50)], (Backend("v1", 100),), id="listed twice"),
        pytest.param([("v2", 1), ("v1", 3)], (Backend("v2", 25), Backend("v1", 75)), id="another sum"),
        pytest.param([("v2", "10"), ("v1", "90")], (Backend("v2", 10), Backend("v1", 90)), id="quantities"),
        pytest.param([("v2", -10), ("v1", 110)], (), id="negative"),
        pytest.param([("", 10), ("v1", 90)], (), id="without a name"),
        pytest.param([], (), id="none"),
    ],
)
def test_anything_else_is_normalised_and_called_malformed(backends: list[Any], shares: tuple[Backend, ...]) -> None:
    assert view(*backends) == (shares, True)
