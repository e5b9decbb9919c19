"""What the oracle notices in managed mode: a true log of a rollout, with one thing in it that is not true."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from typing import Any

import pytest

from canary.controller.watches import CANARIES
from canary.sandbox.apiserver.commitlog import Commit
from canary.sandbox.app import Release
from canary.sandbox.oracle import FRESH, MAX_BURST, Oracle
from canary.sandbox.oracle.log import REQUEST
from canary.sandbox.simulation import Simulation
from canary.sandbox.virtual_time import run_virtual

OURS = "canary-controller"
QUICK = {
    "steps": [{"weight": 20, "hold": "10s"}, {"weight": 60, "hold": "10s"}],
    "analysis": {"interval": "5s", "warmup": "2s"},
}


def _log(errors: float, ends: str, *, deleted: bool = False) -> tuple[Commit, ...]:
    async def main() -> tuple[Commit, ...]:
        async with Simulation(random.Random(1)) as sim:
            await sim.start_managed(Release("1"))
            await sim.apply(sim.managed_canary(**QUICK))
            sim.start()
            await sim.until(lambda: sim.phase() == "Idle")
            await sim.release(Release("2", errors=errors))
            await sim.until(lambda: sim.phase() == ends)
            await sim.clock.sleep(30.0)
            if deleted:
                await sim.cluster.client.delete(CANARIES, "podinfo", "shop")
                await sim.until(lambda: sim.object("canaries") is None)
            return tuple(sim.cluster.server.commits)

    return run_virtual(main())


@pytest.fixture(scope="module")
def promoted() -> tuple[Commit, ...]:
    return _log(0.0, "Promoted")


@pytest.fixture(scope="module")
def rolled_back() -> tuple[Commit, ...]:
    return _log(30.0, "RolledBack")


@pytest.fixture(scope="module")
def deleted() -> tuple[Commit, ...]:
    return _log(30.0, "RolledBack", deleted=True)


def broken(commits: tuple[Commit, ...]) -> set[str]:
    oracle = Oracle("shop", "podinfo", "podinfo", deleters=frozenset({"one"}))
    return {violation.invariant for violation in oracle.feed(commits).violations}


def last(commits: tuple[Commit, ...], plural: str, name: str, number: int = -1) -> Commit:
    """The last write of an object that we made."""
    found = [c for c in commits if (c.plural, c.name) == (plural, name) and c.new and c.manager == "canary-controller"]
    return found[number]


def but(commit: Commit, **spec: Any) -> Commit:
    """One more write of ours after `commit`, with other fields in the spec."""
    new = copy.deepcopy(commit.new)
    assert new is not None
    new["spec"] |= spec
    return replace(commit, old=commit.new, new=new, verb="patch", monotonic=commit.monotonic + 0.01)


def after(commits: tuple[Commit, ...], commit: Commit, *more: Commit) -> tuple[Commit, ...]:
    where = commits.index(commit) + 1
    return (*commits[:where], *more, *commits[where:])


def touched(commits: tuple[Commit, ...], where: Commit) -> Commit:
    """Somebody else writes the stable copy: what we have decided before can no longer be written."""
    stable = last(commits, "deployments", "podinfo-stable", 0)
    return replace(stable, old=stable.new, manager="kube-controller-manager", monotonic=where.monotonic)


def without_later(commits: tuple[Commit, ...], first: Commit) -> tuple[Commit, ...]:
    """Neither this write nor any later one of the same object has come to pass."""
    where, key = commits.index(first), (first.plural, first.name)
    return tuple(c for n, c in enumerate(commits) if n < where or (c.plural, c.name) != key)


def at_weight(commits: tuple[Commit, ...]) -> Commit:
    """The write of the target for the second step, while the first one is in force."""
    return last(commits, "deployments", "podinfo", -2)


def test_a_true_log_breaks_nothing(promoted, rolled_back, deleted):
    assert broken(promoted) == broken(rolled_back) == broken(deleted) == set()


def test_a_target_with_weight_is_not_scaled_down(promoted):
    where = at_weight(promoted)
    assert "S11" in broken(after(promoted, where, but(where, replicas=1)))


def test_nor_soon_after_it_had_weight(promoted):
    split = last(promoted, "trafficsplits", "podinfo")
    down = replace(but(at_weight(promoted), replicas=0), monotonic=split.monotonic + 0.5)
    assert "S11" in broken(after(promoted, split, down))


@pytest.mark.parametrize(
    ("shared", "taken_back", "found"),
    [(1.4, 0.1, set()), (REQUEST + 1, 0.1, {"S11"})],
    ids=["a moment ago", "long enough ago to know"],
)
def test_a_process_may_not_have_heard_that_somebody_gave_the_target_traffic_which_another_took_back(
    promoted, shared, taken_back, found
):
    closed = last(promoted, "trafficsplits", "podinfo")
    idle = last(promoted, "deployments", "podinfo")
    scaled = replace(but(idle, replicas=2), manager="kubectl", monotonic=idle.monotonic + 60.0)
    down = replace(but(scaled, replicas=0), manager=OURS, monotonic=scaled.monotonic + 60.0)
    backends = [{"service": "podinfo-canary", "weight": 100}, {"service": "podinfo-stable", "weight": 0}]
    edited = replace(but(closed, backends=backends), manager="argocd-controller", monotonic=down.monotonic - shared)
    back = replace(but(edited, backends=closed.new["spec"]["backends"]), monotonic=down.monotonic - taken_back)
    assert broken((*promoted, scaled, edited, back, down)) == found


def first_raise(commits: tuple[Commit, ...]) -> Commit:
    splits = [c for c in commits if c.plural == "trafficsplits" and c.new]
    return next(c for c in splits if len(c.new["spec"]["backends"]) == 2)


@pytest.mark.parametrize(("replicas", "found"), [(1, set()), (2, {"S11"})], ids=["as it was", "another"])
def test_a_process_that_has_not_seen_the_raise_gives_back_only_the_size_that_it_rests_on(promoted, replicas, found):
    raised = first_raise(promoted)
    where = promoted.index(raised)
    sized = last(promoted[:where], "deployments", "podinfo")
    assert sized.new["spec"]["replicas"] == 1
    forced = replace(but(sized, replicas=3), manager="kustomize-controller", monotonic=raised.monotonic - 0.1)
    back = replace(but(forced, replicas=replicas), manager=OURS, monotonic=raised.monotonic + 0.01)
    assert broken((*promoted[:where], forced, raised, back)) == found


def test_a_target_is_scaled_up_only_by_a_rollout(promoted):
    idle = last(promoted, "deployments", "podinfo")
    assert "S25" in broken((*promoted, but(idle, replicas=3)))


def test_stable_is_never_scaled_to_zero(promoted):
    stable = last(promoted, "deployments", "podinfo-stable")
    assert "S11" in broken((*promoted, but(stable, replicas=0)))


def test_stable_does_not_shrink_while_all_traffic_may_come_back(promoted):
    where = at_weight(promoted)
    stable = touched(promoted, where)
    assert "S11" in broken(after(promoted, where, stable, replace(but(stable, replicas=1), manager=OURS)))


def test_stable_runs_only_what_is_kept(promoted):
    stable = last(promoted, "deployments", "podinfo-stable")
    new = copy.deepcopy(stable.new)
    new["metadata"]["annotations"]["canary.delivery/revision"] = "v1-unheard-of"
    assert "S9" in broken((*promoted, replace(stable, old=stable.new, new=new)))


def test_stable_runs_the_template_that_is_kept(promoted):
    stable = last(promoted, "deployments", "podinfo-stable")
    template = copy.deepcopy(stable.new["spec"]["template"])
    template["spec"]["containers"][0]["image"] = "sandbox/podinfo:live"
    assert "S9" in broken((*promoted, but(stable, template=template)))


def test_stable_takes_a_revision_over_only_when_it_is_promoted(promoted):
    where, taken = at_weight(promoted), last(promoted, "deployments", "podinfo-stable")
    stable = touched(promoted, where)
    early = replace(taken, old=stable.new, monotonic=where.monotonic)
    assert "S25" in broken(after(promoted, where, stable, early))


def test_the_template_that_was_promoted_is_kept(promoted):
    kept = next(c for c in promoted if c.plural == "controllerrevisions" and c.new)
    where = at_weight(promoted)
    lost = replace(kept, old=kept.new, new=None, manager="one", monotonic=where.monotonic + 20.0)
    assert "S10" in broken(after(promoted, last(promoted, "trafficsplits", "podinfo", -3), lost))


def test_rolling_back_is_closed_after_a_write_of_stable(rolled_back):
    assert "S25" in broken(without_later(rolled_back, last(rolled_back, "deployments", "podinfo-stable")))


def test_a_promotion_is_closed_when_stable_runs_the_revision(promoted):
    assert "S9" in broken(without_later(promoted, last(promoted, "deployments", "podinfo-stable")))


@pytest.mark.parametrize("selector", [{"app": "podinfo"}, {"app": "nobody"}])
def test_the_root_selects_stable_as_long_as_there_is_a_canary(promoted, selector):
    root = last(promoted, "services", "podinfo")
    assert "S25" in broken((*promoted, but(root, selector=selector)))


@pytest.mark.parametrize(("seconds", "wrong"), [(1.0, set()), (100.0, {"S25"})])
def test_that_somebody_has_deleted_the_copy_may_be_news_when_the_root_is_pointed_at_it(promoted, seconds, wrong):
    pointed = last(promoted, "services", "podinfo")
    copy = last(promoted[: promoted.index(pointed)], "deployments", "podinfo-stable")
    gone = replace(copy, old=copy.new, new=None, manager="kubectl", monotonic=pointed.monotonic - seconds)

    log = (*promoted[: promoted.index(pointed)], gone, pointed)

    assert broken(log) & {"S25"} == wrong


@pytest.mark.parametrize(("plural", "name"), [("secrets", "password"), ("pods", "podinfo-1"), ("services", "other")])
def test_nothing_of_others_is_written(promoted, plural, name):
    root = last(promoted, "services", "podinfo")
    new = copy.deepcopy(root.new)
    new["metadata"] |= {"name": name, "annotations": {}}
    assert "S17" in broken((*promoted, replace(root, plural=plural, name=name, old=None, new=new)))


def test_of_the_target_only_its_replicas_are_ours(promoted):
    target = last(promoted, "deployments", "podinfo")
    assert "S17" in broken((*promoted, but(target, paused=True)))


def test_the_target_is_never_deleted(promoted):
    target = last(promoted, "deployments", "podinfo")
    assert "S17" in broken((*promoted, replace(target, old=target.new, new=None, manager="one")))


def test_a_fight_over_a_part_is_a_hot_loop(promoted):
    stable = last(promoted, "deployments", "podinfo-stable")
    assert "S19" in broken((*promoted, *(but(stable, paused=bool(n % 2)) for n in range(MAX_BURST + 2))))


@pytest.mark.parametrize("name", ["podinfo-stable", "podinfo-canary"])
def test_backends_go_after_the_split(deleted, name):
    gone = next(c for c in deleted if (c.plural, c.name, c.new) == ("services", name, None))
    split = next(c for c in deleted if (c.plural, c.new) == ("trafficsplits", None))
    early = replace(gone, monotonic=split.monotonic - 1.0)
    where = deleted.index(split)
    assert "S11" in broken((*deleted[:where], early, *deleted[where:]))


@pytest.mark.parametrize("plural", ["services", "deployments", "controllerrevisions", "trafficsplits"])
def test_nothing_of_ours_is_left_with_the_finalizer(deleted, plural):
    assert "S16" in broken(tuple(c for c in deleted if c.plural != plural or c.new is not None))


@pytest.mark.parametrize(("ago", "found"), [(0.3, set()), (REQUEST + 1.0, {"S16"})], ids=["meanwhile", "long before"])
def test_a_split_from_git_may_come_while_the_finalizer_goes(deleted, ago, found):
    gone = next(c for c in deleted if c.plural == "canaries" and c.new is None)
    split = copy.deepcopy(next(c for c in deleted if (c.plural, c.new) == ("trafficsplits", None)).old)
    del split["metadata"]["annotations"]
    put = replace(gone, plural="trafficsplits", old=None, new=split, verb="create", manager="argocd-controller")
    where = deleted.index(gone)
    later = replace(gone, monotonic=gone.monotonic + ago)
    assert broken((*deleted[:where], put, later)) == found


@pytest.mark.parametrize(
    ("left", "found"),
    [({"podinfo-stable", "podinfo-canary"}, set()), ({"podinfo-stable"}, {"S16"})],
    ids=["both", "one"],
)
def test_a_split_that_was_never_ours_stays_with_the_services_that_it_names(deleted, left, found):
    gone = next(c for c in deleted if c.plural == "canaries" and c.new is None)
    split = copy.deepcopy(next(c for c in deleted if (c.plural, c.new) == ("trafficsplits", None)).old)
    del split["metadata"]["annotations"]
    put = replace(gone, plural="trafficsplits", old=None, new=split, verb="create", manager="argocd-controller")
    before = [_left(c) if (c.plural, c.new) == ("services", None) and c.name in left else c for c in deleted]
    later = replace(gone, monotonic=gone.monotonic + REQUEST + 1.0)
    assert broken((*before[: deleted.index(gone)], put, later)) == found


def _left(commit: Commit) -> Commit:
    """The object is left serving, in place of going."""
    new = copy.deepcopy(commit.old)
    assert new is not None
    del new["metadata"]["annotations"]
    new["metadata"]["labels"] = {"canary.delivery/left-by": "podinfo"}
    return replace(commit, new=new, verb="patch", manager=OURS)


@pytest.mark.parametrize(("ago", "found"), [(3.0, set()), (FRESH + 1.0, {"S16"})], ids=["a moment before", "known"])
def test_that_somebody_has_made_the_target_anew_may_be_news_when_the_finalizer_goes(deleted, ago, found):
    """Both Deployments had been deleted, so that there was nothing which the root Service could select."""
    gone = next(c for c in deleted if c.plural == "canaries" and c.new is None)
    target = last(deleted, "deployments", "podinfo")
    stable = next(c for c in deleted if (c.plural, c.name, c.new) == ("deployments", "podinfo-stable", None))
    root, back = last(deleted, "services", "podinfo", 0), last(deleted, "services", "podinfo")
    assert root.new["spec"]["selector"] == {"app": "podinfo-stable"}
    moment = stable.monotonic + 1.0
    lost = replace(target, old=target.new, new=None, verb="delete", manager="kubectl", monotonic=moment)
    dangling = replace(root, old=back.new, manager="kubectl", monotonic=moment)
    anew = replace(target, old=None, verb="create", manager="kubectl", monotonic=moment + 1.0)
    later = replace(gone, monotonic=anew.monotonic + ago)
    assert broken((*deleted[: deleted.index(gone)], lost, dangling, anew, later)) & {"S16"} == found


def test_the_split_goes_after_a_write_of_root_and_target(deleted):
    root = last(deleted, "services", "podinfo")
    assert {"S25", "S16"} & broken(tuple(c for c in deleted if c is not root))


def test_at_deletion_the_target_gets_the_promoted_template(deleted):
    def another(commit: Commit) -> Commit:
        target = (commit.plural, commit.name) == ("deployments", "podinfo") and commit.manager == "canary-controller"
        if not target or commit.new["spec"]["template"] == commit.old["spec"]["template"]:
            return commit
        new = copy.deepcopy(commit.new)
        new["spec"]["template"]["spec"]["containers"][0]["image"] = "sandbox/podinfo:0"
        return replace(commit, new=new)

    assert "S9" in broken(tuple(map(another, deleted)))


@pytest.mark.parametrize(("ago", "found"), [(9.0, set()), (FRESH + 1, {"S9"})], ids=["a moment before", "known"])
def test_that_somebody_has_deleted_the_kept_template_may_be_news_when_the_target_gets_it(deleted, ago, found):
    restored = last(tuple(c for c in deleted if _restores(c)), "deployments", "podinfo")
    promoted = last(deleted, "deployments", "podinfo-stable").new["metadata"]["annotations"]["canary.delivery/revision"]
    kept = last(deleted, "controllerrevisions", f"podinfo-{promoted}", 0)
    gone = next(c for c in deleted if (c.plural, c.name) == (kept.plural, kept.name) and c.new is None)
    lost = replace(gone, manager="kubectl", user_agent="kubectl", monotonic=restored.monotonic - ago)
    commits = without_later(deleted, gone)
    where = commits.index(restored)
    assert broken((*commits[:where], lost, *commits[where:])) == found


def _restores(commit: Commit) -> bool:
    """It changes the template of a Deployment."""
    return (
        commit.old is not None and commit.new is not None and "template" in commit.new.get("spec", {})
    ) and commit.new["spec"]["template"] != commit.old["spec"]["template"]


@pytest.mark.parametrize(("before", "found"), [(0.3, False), (FRESH + 0.3, True)], ids=["a moment before", "known"])
def test_a_rollback_is_closed_without_stable_only_where_nobody_can_know_yet(rolled_back, before, found):
    closed = next(c for c in rolled_back if c.plural == "trafficsplits" and '"phase":"RolledBack"' in str(c.new))
    stable = last(rolled_back, "deployments", "podinfo-stable")
    moment = closed.monotonic - before
    gone = replace(stable, old=stable.new, new=None, verb="delete", manager="", user_agent="kubectl", monotonic=moment)
    kept = [c for c in rolled_back if (c.plural, c.name) != ("deployments", "podinfo-stable") or c.monotonic < moment]
    where = next(number for number, c in enumerate(kept) if c.monotonic > moment)
    assert ("S25" in broken((*kept[:where], gone, *kept[where:]))) == found
