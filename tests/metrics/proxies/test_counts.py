"""How much the counters of one proxy grew between two of its answers."""

from __future__ import annotations

import pytest

from canary.metrics.proxies.counts import Counts, Growth, Reader
from canary.metrics.proxies.exposition import Malformed, labels
from canary.metrics.proxies.flavour import parse_flavour

FLAVOUR = """
name: mine
title: Mine
cites: []
port: 9102
path: /metrics
requests: {{metric: requests_total, failure: {{label: code, regex: 5..}}}}
latency: {{metric: latency_bucket, unit: ms}}
{life}
"""
UPTIME, START, NO_LIFE = "life: {metric: age, says: Uptime}", "life: {metric: age, says: StartTime}", ""


def reader(life: str = UPTIME) -> Reader:
    return Reader(parse_flavour(FLAVOUR.format(life=life), "mine"))


def page(age: float | None = 100, buckets: str = "", **counts: float) -> bytes:
    """An answer with requests by code, written `c200=5`, and buckets of any histograms, written `a:5=2 a:+Inf=3`."""
    lines = [f"age {age}"] if age is not None else []
    lines += [f'requests_total{{code="{code[1:]}"}} {count}' for code, count in counts.items()]
    for bucket in buckets.split():
        (histogram, le), count = bucket.partition("=")[0].split(":"), bucket.partition("=")[2]
        lines.append(f'latency_bucket{{of="{histogram}",le="{le}"}} {count}')
    return "".join(f"{line}\n" for line in lines).encode()


def growth(before: bytes, now: bytes, life: str = UPTIME) -> Growth:
    used = reader(life)
    old = used.read(before)
    return used.growth(old, used.read(now, old))


def requests(found: Growth) -> tuple[float, float]:
    return found.success, found.failure


def test_counters_are_differenced_by_outcome() -> None:
    found = growth(page(c200=10, c404=1, c500=2, c503=0), page(c200=15, c404=3, c500=2, c503=4))
    assert requests(found) == (7.0, 4.0)


def test_nothing_that_happened_is_nothing_that_grew() -> None:
    assert requests(growth(page(c200=10), page(c200=10))) == (0.0, 0.0)
    assert requests(growth(page(), page())) == (0.0, 0.0)


def test_a_series_that_appears_counted_from_zero() -> None:
    assert requests(growth(page(c200=10), page(c200=12, c500=3))) == (2.0, 3.0)


def test_a_series_that_is_gone_adds_nothing_and_takes_nothing() -> None:
    assert requests(growth(page(c200=10, c500=7), page(c200=12))) == (2.0, 0.0)


def test_series_in_another_order_are_the_same_series() -> None:
    assert requests(growth(page(c200=10, c500=7), page(c500=8, c200=12))) == (2.0, 1.0)


@pytest.mark.parametrize("life", [UPTIME, START, NO_LIFE])
def test_a_counter_that_was_reset_counts_from_zero(life: str) -> None:
    assert requests(growth(page(c200=10, c500=5), page(c200=3, c500=6), life)) == (3.0, 1.0)


def test_after_a_restart_every_counter_counts_from_zero_even_one_that_has_overtaken_its_old_value() -> None:
    assert requests(growth(page(age=100, c200=10), page(age=2, c200=30))) == (30.0, 0.0)
    assert requests(growth(page(age=1e9, c200=10), page(age=1e9 + 7, c200=30), START)) == (30.0, 0.0)


def test_a_proxy_that_lives_on_has_not_been_restarted() -> None:
    assert requests(growth(page(age=100, c200=10), page(age=101, c200=30))) == (20.0, 0.0)
    assert requests(growth(page(age=100, c200=10), page(age=100, c200=30))) == (20.0, 0.0)
    assert requests(growth(page(age=1e9, c200=10), page(age=1e9, c200=30), START)) == (20.0, 0.0)


def test_an_answer_without_its_sign_of_life_is_no_answer() -> None:
    with pytest.raises(Malformed, match="has no age"):
        reader().read(page(age=None, c200=3))
    assert requests(growth(b"", page(age=None, c200=3), NO_LIFE)) == (3.0, 0.0)


def test_histograms_are_added_bound_by_bound() -> None:
    found = growth(page(buckets="a:5=1 a:+Inf=2 b:5=0 b:+Inf=0"), page(buckets="a:5=3 a:+Inf=5 b:5=1 b:+Inf=1"))
    assert dict(found.within) == {5.0: 3.0, float("inf"): 4.0}
    assert found.bounds == {5.0, float("inf")}


def test_a_blank_after_a_name_changes_nothing() -> None:
    now = page(c200=2, buckets="a:5=2 a:+Inf=3").replace(b"{", b" {")
    found = growth(page(), now)
    assert (requests(found), found.within[5.0]) == ((2.0, 0.0), 2.0)


def test_only_bounds_that_all_histograms_have_are_bounds() -> None:
    found = growth(page(), page(buckets="a:5=3 a:10=4 a:+Inf=5 b:10=1 b:+Inf=1"))
    assert found.bounds == {10.0, float("inf")}
    assert found.within[10.0] == 5.0


@pytest.mark.parametrize("le", ["", "x", "-1", "NaN"])
def test_a_bucket_without_a_bound_is_malformed(le: str) -> None:
    with pytest.raises(Malformed, match="bound"):
        reader().read(page(buckets=f"a:{le}=1"))


@pytest.mark.parametrize("line", ['latency_bucket{of="a,le="5"} 1', 'latency_bucket{of="a",le="x"} 1'])
def test_a_bucket_that_is_malformed_is_found_among_others_of_its_histogram(line: str) -> None:
    body = page(buckets="a:1=1 a:5=2 a:+Inf=3")
    for both in (body + f"{line}\n".encode(), f"{line}\n".encode() + body):
        with pytest.raises(Malformed):
            reader().read(both)


def test_buckets_of_series_that_are_left_out_are_left_out() -> None:
    used = Reader(parse_flavour(FLAVOUR.format(life="where: {of: b}"), "mine"))
    now = used.read(page(age=None, buckets="a:5=2 a:+Inf=3 b:5=1 b:+Inf=1 a:10=2 b:10=1"))
    assert used.growth(used.read(b""), now).within == {5.0: 1.0, 10.0: 1.0, float("inf"): 1.0}


def test_a_series_that_occurs_twice_is_malformed() -> None:
    with pytest.raises(Malformed, match="twice"):
        reader().read(page(c200=1) + page(c200=2))


@pytest.mark.parametrize(
    "line", ['requests_total{code="200"} NaN', 'requests_total{code="200"} -1', "requests_total{ 1"]
)
def test_a_line_that_cannot_be_read_makes_the_whole_answer_unreadable(line: str) -> None:
    used = reader()
    for _ in range(2):  # what was read before must not hide it
        with pytest.raises(Malformed):
            used.read(page(c404=1) + f"{line}\n".encode())


def test_what_series_mean_is_kept_once_for_answers_with_the_same_series() -> None:
    used = reader()
    first = used.read(page(c200=1, c500=1))
    assert used.read(page(c200=2, c500=1), first).layout is first.layout
    assert used.read(page(c200=2), first).layout is not first.layout


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The series whose labels were taken apart."""
    found: list[bytes] = []

    def recorded(series: bytes) -> dict[str, str]:
        found.append(series)
        return labels(series)

    monkeypatch.setattr("canary.metrics.proxies.counts.labels", recorded)
    return found


def test_a_series_is_looked_at_once_however_the_others_change(looked_at: list[bytes]) -> None:
    used = reader()
    first = used.read(page(c200=1))
    second = used.read(page(c200=2, c201=1), first)
    used.read(page(c201=2), second)
    assert looked_at == [b'requests_total{code="200"}', b'requests_total{code="201"}']


def test_a_histogram_is_looked_at_once(looked_at: list[bytes]) -> None:
    reader().read(page(buckets="a:5=2 a:+Inf=3 b:5=1 b:+Inf=1"))
    assert looked_at == [b'latency_bucket{of="a",le="5"}', b'latency_bucket{of="b",le="5"}']


def test_a_label_that_only_ends_like_a_bound_is_none() -> None:
    used = Reader(parse_flavour(FLAVOUR.format(life="where: {xle: '1'}"), "mine"))
    lines = [f'latency_bucket{{le="{le}",xle="{xle}"}} 3' for xle in (1, 2) for le in ("5", "+Inf")]
    found = used.growth(used.read(b""), used.read("".join(f"{line}\n" for line in lines).encode()))
    assert found.within == {5.0: 3.0, float("inf"): 3.0}


def test_an_answer_takes_little_memory() -> None:
    used = reader()
    lines = "".join(f'requests_total{{code="200",path="/{number:0200}"}} {number}\n' for number in range(1000))
    body = page() + lines.encode()
    first = used.read(body)
    second: Counts = used.read(body, first)
    assert len(second.values) == 1000
    assert second.values.itemsize * len(second.values) < len(body) / 20
