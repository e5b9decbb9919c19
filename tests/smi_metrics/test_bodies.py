"""An answer is written once for the same numbers."""

from __future__ import annotations

import json

from canary.smi_metrics.bodies import Bodies
from tests.smi_metrics.conftest import measured


def test_the_same_numbers_are_written_once():
    bodies, numbers, writes = Bodies(), [1], []

    def write():
        writes.append(1)
        return b"one"

    assert [bodies.body("a", numbers, write) for _ in range(3)] == [b"one"] * 3
    assert len(writes) == 1


def test_other_numbers_are_written_anew_however_equal():
    bodies = Bodies()
    bodies.body("a", [1], lambda: b"old")
    assert bodies.body("a", [1], lambda: b"new") == b"new"
    assert bodies.size == 3


def test_what_is_kept_is_bounded_and_the_oldest_goes_first():
    bodies, numbers = Bodies(capacity=5), []
    for key in "abc":
        bodies.body(key, numbers, lambda: b"12")
    assert bodies.size == 4
    assert bodies.body("c", numbers, lambda: b"written") == b"12"
    assert bodies.body("a", numbers, lambda: b"written") == b"written"


def test_a_body_that_is_too_large_is_not_kept_and_pushes_nothing_out():
    bodies, numbers = Bodies(capacity=5), []
    bodies.body("a", numbers, lambda: b"12")
    bodies.body("b", numbers, lambda: b"123456")
    assert bodies.size == 2


async def test_two_forms_two_paths_and_two_windows_are_not_taken_for_each_other(api, given):
    given.numbers = [measured(), measured("b", "other")]
    bodies = [
        (await api.ask("/deployments")).body,
        (await api.ask("/namespaces/shop/deployments")).body,
        (await api.ask("/namespaces/shop/deployments/web")).body,
        (await api.ask("/deployments", t="60s")).body,
        (await api.ask("/deployments", accept="application/json;as=Table;v=v1;g=meta.k8s.io")).body,
    ]
    assert len(set(bodies)) == 5


async def test_a_selection_by_labels_is_not_taken_for_the_whole(api, given, labels):
    given.numbers = [measured("a"), measured("b")]
    labels.objects = {"app=a": {("shop", "a")}, "app=b": {("shop", "b")}}
    sizes = {}
    for selector in ("", "app=a", "", "app=b"):
        body = json.loads((await api.ask("/deployments", labelSelector=selector)).body)
        sizes[selector] = [each["metadata"]["name"] for each in body["items"]]
    assert sizes == {"": ["a", "b"], "app=a": ["a"], "app=b": ["b"]}
