"""Weights that others wrote, in every form that they have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.api.kinds import SplitBackend
from canary.traffic.weights import Backend, InvalidWeights, UnreadableWeights, read_weights, shares


def read(*weights):
    named = [SplitBackend(f"s{index}", weight) for index, weight in enumerate(weights)]
    return tuple(backend.weight for backend in read_weights(named))


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((10, 90), (10, 90)),
        ((1, 1), (50, 50)),
        ((0, 1), (0, 100)),
        (("500m", "500m"), (50, 50)),
        (("500m", "1"), (33, 67)),
        (("1", 1), (50, 50)),
        ((0.5, 0.5), (50, 50)),
        ((0.5, "500m"), (50, 50)),
        ((1000, 500), (67, 33)),
        ((999, 1), (100, 0)),
        ((1, 1, 1), (33, 33, 34)),
        ((1, 2, 4), (14, 29, 57)),
        ((None, 5), (0, 100)),
        (("1k", 1000), (50, 50)),
        (("1e3", "1000"), (50, 50)),
        ((7,), (100,)),
    ],
)
def test_shares_are_whole_percentages(weights, expected):
    assert read(*weights) == expected


def test_services_keep_their_order():
    backends = (SplitBackend("web-v2", 1), SplitBackend("web-v1", 3))
    assert read_weights(backends) == (Backend("web-v2", 25), Backend("web-v1", 75))


def test_a_service_that_is_listed_twice_has_the_sum():
    backends = (SplitBackend("a", 1), SplitBackend("b", 2), SplitBackend("a", 1))
    assert read_weights(backends) == (Backend("a", 50), Backend("b", 50))


@pytest.mark.parametrize(
    ("backends", "words"),
    [
        ((), "there are no backends"),
        ((SplitBackend("a", 0), SplitBackend("b", None)), "all weights are 0"),
        ((SplitBackend("a", -1), SplitBackend("b", 101)), "the weight of a is negative: -1"),
        ((SplitBackend("a", "half"),), "the weight of a is no quantity: 'half'"),
        ((SplitBackend("a", ""),), "the weight of a is no quantity: ''"),
        ((SplitBackend("", 100),), "a backend has no service"),
    ],
)
def test_what_cannot_be_taken_over_is_named(backends, words):
    with pytest.raises(UnreadableWeights) as caught:
        read_weights(backends)
    assert str(caught.value) == words


@given(st.lists(st.integers(0, 10**9) | st.decimals(0, 1000, places=3).map(str), min_size=1, max_size=6))
def test_shares_sum_to_100_and_are_within_one_of_the_exact_share(weights):
    exact = [float(weight) for weight in weights]
    if sum(exact) == 0:
        return
    got = read(*weights)
    assert sum(got) == 100
    assert all(abs(share - weight * 100 / sum(exact)) < 1 + 1e-6 for share, weight in zip(got, exact, strict=True))


@pytest.mark.parametrize("weight", range(101))
def test_what_we_write_is_read_as_it_was(weight):
    backends = shares("web-v1", "web-v2", weight)
    assert read_weights([SplitBackend(backend.service, backend.weight) for backend in backends]) == backends


def test_the_canary_is_first_and_stable_last():
    assert shares("web-v1", "web-v2", 5) == (Backend("web-v2", 5), Backend("web-v1", 95))


def test_without_a_canary_stable_has_everything():
    assert shares("web-v1") == (Backend("web-v1", 100),)


@pytest.mark.parametrize("arguments", [("a", None, 5), ("a", "a", 5), ("a", "b", 101), ("a", "b", -1), ("", "b", 1)])
def test_shares_that_make_no_sense_are_refused(arguments):
    with pytest.raises(InvalidWeights):
        shares(*arguments)
