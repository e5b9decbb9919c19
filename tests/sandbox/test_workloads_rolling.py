"""The arithmetic of rolling updates."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.sandbox.workloads.objects import RollingUpdate, Strategy
from canary.sandbox.workloads.rolling import Size, limits, plan, template_hash

ROLLING = Strategy()


def test_a_template_has_the_same_hash_whatever_the_order_of_its_fields():
    assert template_hash({"a": 1, "b": {"c": 2, "d": 3}}) == template_hash({"b": {"d": 3, "c": 2}, "a": 1})


def test_another_template_has_another_hash():
    assert template_hash({"image": "a:1"}) != template_hash({"image": "a:2"})


def test_surge_rounds_up_and_unavailable_rounds_down():
    assert limits(ROLLING, 3) == (1, 0)


def test_one_pod_may_be_missing_when_nothing_else_would_move():
    assert limits(Strategy(rolling_update=RollingUpdate(0, 0)), 3) == (0, 1)


def test_a_first_rollout_starts_all_pods_at_once():
    assert plan(4, Size("new", 0, 0), [], ROLLING) == {"new": 4}


def test_a_rolling_update_adds_before_it_removes():
    assert plan(3, Size("new", 0, 0), [Size("old", 3, 3)], ROLLING) == {"new": 1}
    assert plan(3, Size("new", 1, 0), [Size("old", 3, 3)], ROLLING) == {}
    assert plan(3, Size("new", 1, 1), [Size("old", 3, 3)], ROLLING) == {"old": 2}


def test_pods_that_serve_nobody_are_replaced_first():
    assert plan(3, Size("new", 1, 1), [Size("older", 2, 2), Size("broken", 1, 0)], ROLLING) == {"broken": 0}


def test_recreate_stops_everything_before_it_starts_anything():
    recreate = Strategy("Recreate")
    assert plan(3, Size("new", 0, 0), [Size("old", 3, 3)], recreate) == {"old": 0}
    assert plan(3, Size("new", 0, 0), [Size("old", 0, 0)], recreate) == {"new": 3}


def test_scaling_to_zero_removes_old_and_new_pods():
    assert plan(0, Size("new", 2, 2), [Size("old", 1, 1)], ROLLING) == {"new": 0, "old": 0}


sizes = st.integers(0, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
percent = st.integers(0, 100).map("{}%".format)


@settings(deadline=None)
@given(st.integers(1, 12), sizes, st.lists(sizes, max_size=3), percent, percent)
def test_no_step_leaves_fewer_available_pods_or_more_pods_than_allowed(replicas, new, old, surge, unavailable):
    strategy = Strategy(rolling_update=RollingUpdate(surge, unavailable))
    current = [Size("new", *new), *(Size(f"old{i}", *size) for i, size in enumerate(old))]
    after = {size.name: size.replicas for size in current} | plan(replicas, current[0], current[1:], strategy)
    most, fewest = (replicas + limits(strategy, replicas)[0], replicas - limits(strategy, replicas)[1])
    total = sum(size.replicas for size in current)
    assert sum(after.values()) <= max(most, total)
    # Of a ReplicaSet that shrinks, the pods that are not available go first.
    kept = sum(min(after[s.name], s.available) for s in current if s.name != "new" or after["new"] >= s.replicas)
    if after["new"] >= current[0].replicas:
        assert kept >= min(fewest, sum(s.available for s in current))


@settings(deadline=None)
@given(st.integers(0, 12), sizes, st.lists(sizes, max_size=3), percent, percent)
def test_every_rollout_ends_when_all_pods_become_available(replicas, new, old, surge, unavailable):
    strategy = Strategy(rolling_update=RollingUpdate(surge, unavailable))
    state = {"new": new[0]} | {f"old{i}": size[0] for i, size in enumerate(old)}
    for _ in range(100):
        current = [Size(name, n, n) for name, n in state.items()]
        changes = plan(replicas, current[0], current[1:], strategy)
        if not changes:
            break
        state |= changes
    assert state == {name: replicas if name == "new" else 0 for name in state}
