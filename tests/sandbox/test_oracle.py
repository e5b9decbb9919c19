"""What the oracle notices: a true log of a rollout, with one thing in it that is not true."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from canary.sandbox.apiserver.commitlog import Commit
from canary.sandbox.apiserver.server import Answered
from canary.sandbox.app import Release
from canary.sandbox.evidence import Evidence
from canary.sandbox.oracle import MAX_BURST, Oracle
from canary.sandbox.simulation import Simulation
from canary.sandbox.virtual_time import run_virtual


class Log(NamedTuple):
    commits: tuple[Commit, ...]
    answers: tuple[Answered, ...]

    def judged(self, **options: Any) -> Oracle:
        return Oracle("shop", "podinfo", "podinfo", answers=self.answers, **options).feed(self.commits)

    @property
    def broken(self) -> set[str]:
        return {violation.invariant for violation in self.judged().violations}

    def answering(self, change: Callable[[Answered], Answered | None]) -> Log:
        return self._replace(answers=tuple(a for a in map(change, self.answers) if a is not None))

    def writing(self, change: Callable[[Commit], Commit]) -> Log:
        return self._replace(commits=tuple(map(change, self.commits)))

    def and_then(self, *commits: Commit) -> Log:
        return self._replace(commits=(*self.commits, *commits))

    def last(self, plural: str, number: int = -1) -> Commit:
        return [commit for commit in self.commits if commit.plural == plural and commit.new][number]


def _log(errors: float, ends: str) -> Log:
    async def main() -> Log:
        async with Simulation(random.Random(1), leader_elect=True) as sim:
            await sim.start_app(Release("1"), Release("2", errors=errors))
            await sim.apply(sim.canary("1", "2"))
            sim.start()
            await sim.until(lambda: sim.phase() == ends)
            return Log(tuple(sim.cluster.server.commits), tuple(sim.cluster.server.answered))

    return run_virtual(main())


@pytest.fixture(scope="module")
def promoted() -> Log:
    return _log(0.0, "Promoted")


@pytest.fixture(scope="module")
def rolled_back() -> Log:
    return _log(20.0, "RolledBack")


def _metrics(name: str, value: str) -> Callable[[Answered], Answered]:
    """Every value of a metric is another one than was answered."""

    def change(answer: Answered) -> Answered:
        body = json.loads(answer.body)
        for item in body.get("items") or ():
            for metric in item["metrics"]:
                if metric["name"] == name:
                    metric["value"] = value
        return replace(answer, body=json.dumps(body).encode())

    return change


def test_a_true_log_breaks_nothing(promoted, rolled_back):
    assert promoted.broken == rolled_back.broken == set()


def test_a_raise_needs_an_answer_of_the_source(promoted):
    assert promoted.answering(lambda answer: None).broken == {"S2"}


@pytest.mark.parametrize("side", ["podinfo-v1", "podinfo-v2"])
@pytest.mark.parametrize(("blind", "broken"), [(0.0, {"S2"}), (1000.0, set())])
def test_of_numbers_that_an_edited_selector_has_mixed_nobody_is_asked_for_a_while(promoted, side, blind, broken):
    slices = [c for c in promoted.commits if c.plural == "endpointslices" and c.new and c.new.get("endpoints")]
    own = next(c for c in slices if c.new["metadata"]["labels"]["kubernetes.io/service-name"] == side)
    endpoints = [e | {"targetRef": e["targetRef"] | {"name": "another-1"}} for e in own.new["endpoints"]]
    mixed = replace(own, new=own.new | {"endpoints": endpoints})
    log = promoted.answering(lambda answer: None)._replace(commits=(mixed, *promoted.commits))
    assert {violation.invariant for violation in log.judged(blind=blind).violations} == broken


def test_what_another_process_was_told_is_no_reason_to_raise(promoted):
    assert promoted.answering(lambda answer: replace(answer, user_agent="another")).broken == {"S2"}


@pytest.mark.parametrize("seconds", [-30.0, 30.0])
def test_the_answer_must_be_of_the_time_between_the_change_and_the_raise(promoted, seconds):
    assert "S2" in promoted.answering(lambda answer: replace(answer, monotonic=answer.monotonic + seconds)).broken


@pytest.mark.parametrize("name", ["success_count", "failure_count"])
@pytest.mark.parametrize("value", ["NaN", "-1", "many", "1e30", ""])
def test_a_count_that_means_nothing_is_no_evidence(promoted, name, value):
    assert promoted.answering(_metrics(name, value)).broken == {"S2"}


@pytest.mark.parametrize(("name", "value"), [("failure_count", "900"), ("p99_response_latency", "501")])
def test_nothing_is_raised_although_a_limit_is_broken(promoted, name, value):
    assert "S15" in promoted.answering(_metrics(name, value)).broken


@pytest.mark.parametrize("value", ["0", "NaN", "-9223372036854775808"])
def test_nothing_is_raised_on_a_latency_that_nobody_knows(promoted, value):
    assert "S15" in promoted.answering(_metrics("p99_response_latency", value)).broken


def test_nothing_is_rolled_back_for_a_breach_that_nobody_has_seen(rolled_back):
    assert rolled_back.answering(_metrics("failure_count", "0")).broken == {"S15"}


def test_the_delay_of_a_rollback_is_that_from_the_answer_that_decided_it(rolled_back):
    (delay,) = rolled_back.judged().delays
    assert 0.0 <= delay < 0.1
    sooner = rolled_back.answering(lambda answer: replace(answer, monotonic=answer.monotonic - 3.0))
    assert sooner.judged().delays == [pytest.approx(delay + 3.0)]


def test_a_controller_writes_no_services(promoted):
    written = replace(promoted.last("trafficsplits"), plural="services")
    assert promoted.and_then(written).broken == {"S17"}


def test_a_controller_writes_no_spec(promoted):
    told = promoted.last("canaries")
    changed = replace(told, old={**told.old, "spec": {}})
    assert promoted.and_then(changed).broken >= {"S17"}


def test_a_burst_of_writes_is_a_hot_loop(promoted):
    last = promoted.last("trafficsplits")
    state = json.loads(last.new["metadata"]["annotations"]["canary.delivery/state"])

    def again(number: int) -> Commit:
        text = json.dumps(state | {"seq": state["seq"] + number, "attempt": state["attempt"] + number})
        metadata = {**last.new["metadata"], "annotations": {"canary.delivery/state": text}}
        return replace(last, old=last.new, new={**last.new, "metadata": metadata})

    quiet = promoted.and_then(*(again(number) for number in range(1, MAX_BURST)))
    assert "S19" not in quiet.broken
    assert "S19" in promoted.and_then(*(again(number) for number in range(1, MAX_BURST + 2))).broken


def test_whoever_has_released_the_lease_writes_no_more(promoted):
    lease, split = promoted.last("leases"), promoted.last("trafficsplits")
    spec = {**lease.new["spec"], "holderIdentity": ""}
    released = replace(lease, monotonic=split.monotonic - 60.0, old=lease.new, new={**lease.new, "spec": spec})
    where = promoted.commits.index(split)
    assert promoted._replace(commits=(*promoted.commits[:where], released, *promoted.commits[where:])).broken == {"L12"}


def test_weights_that_do_not_sum_to_100_are_seen(promoted):
    def heavier(commit: Commit) -> Commit:
        if commit.plural != "trafficsplits" or commit.new is None or len(commit.new["spec"]["backends"]) < 2:
            return commit
        backends = [{**backend, "weight": backend["weight"] + 1} for backend in commit.new["spec"]["backends"]]
        return replace(commit, new={**commit.new, "spec": {**commit.new["spec"], "backends": backends}})

    assert "S1" in promoted.writing(heavier).broken


def test_evidence_counts_what_was_told_of_one_workload(promoted):
    told = Evidence(promoted.answers).of("podinfo-v2", "one", 0.0, float("inf"))
    assert told
    assert all(witness.end - witness.start == 10.0 for witness in told)
    assert {limit for witness in told for limit in witness.latencies} == {"p50", "p90", "p99"}
    assert Evidence(promoted.answers).of("podinfo-v3", "one", 0.0, float("inf")) == []
