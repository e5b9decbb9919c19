"""`canary wait`: every exit code, and whose release is waited for."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from canary.cli.canaries import CANARIES
from canary.cli.exits import Exit
from canary.cli.goal import Wait, parse_goal
from canary.cli.wait import wait
from canary.kube.errors import Forbidden, Unreachable
from canary.sandbox.apiserver.direct import DirectTransport


def waiting(goal="promoted", revision="", fail_on_paused=False):
    return Wait(parse_goal(goal), revision, fail_on_paused)


def command(world, goal="promoted", timeout=1800.0, transport=None, **options):
    return wait(world.session(transport=transport), "podinfo", waiting(goal, **options), timeout)


def test_code_0_when_the_revision_is_promoted(in_world, status):
    async def test(world):
        await world.create()
        promoted = status("Promoted", canaryWeight=100, message="Service podinfo-v2 serves all traffic")
        code = await world.code(command(world), (60, world.report(promoted)))
        return code, world.out.getvalue(), world.err.getvalue()

    assert in_world(test) == (
        Exit.REACHED,
        "shop/podinfo promoted reached: Promoted 100%: Service podinfo-v2 serves all traffic\n",
        "shop/podinfo Progressing 25% step 2/4: weight 25%, step 2 of 4, Healthy\n"
        "shop/podinfo Promoted 100%: Service podinfo-v2 serves all traffic\n",
    )


def test_code_2_when_it_is_rolled_back(in_world, status):
    async def test(world):
        await world.create()
        back = status("RolledBack", canaryWeight=0, message="podinfo-v2:77de rolled back: 20% errors")
        code = await world.code(command(world), (60, world.report(back)))
        return code, world.out.getvalue()

    assert in_world(test) == (Exit.FAILED, "shop/podinfo podinfo-v2:77de rolled back: 20% errors\n")


def test_code_2_when_it_is_stalled(in_world, status):
    async def test(world):
        await world.create(status("Invalid", message="spec.steps: must ascend"))
        return await world.code(command(world)), world.out.getvalue()

    assert in_world(test) == (Exit.FAILED, "shop/podinfo stalled (InvalidSpec): spec.steps: must ascend\n")


def test_code_3_when_the_time_is_over(in_world):
    async def test(world):
        await world.create()
        code = await world.code(command(world, timeout=90.0))
        return code, world.cluster.clock.monotonic(), world.err.getvalue().splitlines()[-1]

    code, moment, said = in_world(test)
    assert (code, moment) == (Exit.TIMEOUT, 90.0)
    assert said.startswith("Error: promoted not reached within 1m30s; it is: Progressing 25%")


def test_code_4_when_there_is_no_such_canary(in_world):
    async def test(world):
        return await world.code(command(world)), world.err.getvalue()

    assert in_world(test) == (Exit.NOT_FOUND, "Error: Canary podinfo in namespace shop does not exist\n")


def test_code_4_when_it_is_deleted_meanwhile(in_world):
    async def test(world):
        await world.create()
        return await world.code(command(world), (5, world.cluster.client.delete(CANARIES, "podinfo", "shop")))

    assert in_world(test) == Exit.NOT_FOUND


class _Faulty(DirectTransport):
    """Raises `error` from `after` seconds on, `times` times."""

    def __init__(self, server, error, *, after=0.0, times=10**9):
        super().__init__(server)
        self._error, self._after, self._times = error, after, times

    def _check(self):
        if asyncio.get_running_loop().time() >= self._after and self._times > 0:
            self._times -= 1
            raise self._error

    async def request(self, method, path, **options):
        self._check()
        return await super().request(method, path, **options)

    def stream(self, path, **options):
        self._check()
        return super().stream(path, **options)


def test_code_5_when_it_may_not_be_read(in_world):
    async def test(world):
        transport = _Faulty(world.cluster.server, Forbidden(403, "Forbidden", "user jane cannot list canaries"))
        return await world.code(command(world, transport=transport)), world.err.getvalue()

    assert in_world(test) == (Exit.FORBIDDEN, "Error: not allowed: user jane cannot list canaries\n")


def test_code_1_when_the_api_cannot_be_reached_at_all(in_world):
    async def test(world):
        return await world.code(command(world, transport=_Faulty(world.cluster.server, Unreachable("refused"))))

    assert in_world(test) == Exit.ERROR


def test_code_6_when_another_revision_takes_its_place(in_world, status):
    async def test(world):
        await world.create()
        later = status(canaryRevision="podinfo-v3:aa", lastAppliedRevision="6.1.3", generation=2)

        async def newer():
            await world.edit(revision="6.1.3")
            await world.report(later)

        return await world.code(command(world, revision="6.1.2"), (30, newer())), world.out.getvalue()

    assert in_world(test) == (Exit.SUPERSEDED, "shop/podinfo 6.1.2 was superseded by 6.1.3\n")


def test_code_7_when_the_canary_is_suspended(in_world, status):
    async def test(world):
        await world.create(status(reason="Suspended", paused=True), suspend=True)
        return await world.code(command(world))

    assert in_world(test) == Exit.SUSPENDED


@pytest.mark.parametrize(("flag", "code"), [(True, Exit.SUSPENDED), (False, Exit.TIMEOUT)])
def test_a_pause_ends_the_waiting_only_when_asked_to(in_world, status, flag, code):
    async def test(world):
        await world.create(status(reason="WaitingForApproval", paused=True))
        return await world.code(command(world, fail_on_paused=flag, timeout=60.0))

    assert in_world(test) == code


def test_a_lost_connection_is_said_once_and_waited_out(in_world, status):
    async def test(world):
        await world.create()
        transport = _Faulty(world.cluster.server, Unreachable("refused"), after=280.0, times=5)
        code = await world.code(command(world, transport=transport), (600, world.report(status("Promoted"))))
        return code, world.err.getvalue().count("connection lost")

    assert in_world(test) == (Exit.REACHED, 1)


def test_a_status_of_an_older_spec_counts_for_nothing(in_world, status):
    async def test(world):
        await world.create(status("Promoted"))
        await world.edit(backends={"stable": "podinfo-v1", "canary": "podinfo-v3"})
        return await world.code(
            command(world),
            (30, world.report(status(generation=2))),
            (90, world.report(status("Promoted", generation=2))),
        ), world.cluster.clock.monotonic()

    assert in_world(test) == (Exit.REACHED, 90.0)


# The judgement alone.


@pytest.mark.parametrize(
    ("goal", "phase", "options", "code"),
    [
        ("promoted", "Promoted", {}, Exit.REACHED),
        ("promoted", "Progressing", {}, None),
        ("promoted", "RollingBack", {}, None),
        ("promoted", "RolledBack", {}, Exit.FAILED),
        ("rolled-back", "RolledBack", {}, Exit.REACHED),
        ("rolled-back", "Progressing", {}, None),
        ("rolled-back", "Promoted", {}, None),
        ("paused", "Progressing", {"paused": True}, Exit.REACHED),
        ("paused", "Progressing", {}, None),
        ("paused", "RolledBack", {}, Exit.FAILED),
        ("ready", "Promoted", {}, Exit.REACHED),
        ("ready", "Progressing", {}, None),
        ("ready", "Invalid", {}, Exit.FAILED),
        ("weight>=25", "Progressing", {}, Exit.REACHED),
        ("weight>=26", "Progressing", {}, None),
        ("weight>=26", "Promoted", {"canaryWeight": 0}, Exit.REACHED),
        ("weight>=5", "RollingBack", {}, None),
    ],
)
def test_a_goal_is_judged_by_the_status_alone(view, status, goal, phase, options, code):
    verdict = waiting(goal).judge(view(status(phase, **options)))
    assert (verdict and verdict.code) == code


def test_a_promotion_that_was_watched_fails_a_wait_for_rolled_back(view, status):
    wait = waiting("rolled-back")
    assert wait.judge(view(status())) is None
    assert wait.judge(view(status("Promoted"))).code is Exit.FAILED


@pytest.mark.parametrize("revision", ["6.1.2", "podinfo-v2:77de"])
def test_a_revision_is_known_by_its_label_and_by_its_identity(view, status, revision):
    assert waiting(revision=revision).judge(view(status("Promoted"))).code is Exit.REACHED


def test_what_an_earlier_revision_has_come_to_is_not_ours(view, status):
    wait = waiting(revision="6.1.3")
    for phase in ("Promoted", "RolledBack", "Progressing"):
        assert wait.judge(view(status(phase))) is None


def test_a_revision_that_was_applied_is_not_failed_by_the_one_before(view, status):
    wait = waiting(revision="6.1.3")
    spec = {"revision": "6.1.3"}
    assert wait.judge(view(status("RolledBack", generation=2), spec, generation=2)) is None
    assert wait.judge(view(status(generation=2, lastAppliedRevision="6.1.3"), spec, generation=2)) is None
    promoted = status("Promoted", generation=2, lastAppliedRevision="6.1.3")
    assert wait.judge(view(promoted, spec, generation=2)).code is Exit.REACHED


def test_an_invalid_spec_fails_the_revision_that_it_brings(view, status):
    verdict = waiting(revision="6.1.3").judge(view(status("Invalid"), {"revision": "6.1.3"}))
    assert verdict.code is Exit.FAILED


@pytest.mark.parametrize(
    ("goal", "outcome", "code"),
    [
        ("promoted", "Promoted", Exit.REACHED),
        ("promoted", "RolledBack", Exit.FAILED),
        ("rolled-back", "RolledBack", Exit.REACHED),
        ("rolled-back", "Promoted", Exit.SUPERSEDED),
        ("paused", "Promoted", Exit.SUPERSEDED),
    ],
)
def test_a_revision_of_the_past_is_judged_by_the_history(view, status, goal, outcome, code):
    entry = {"revision": "podinfo-v0:11", "outcome": outcome, "endedAt": "2026-01-01T10:00:00Z"}
    assert waiting(goal, "podinfo-v0:11").judge(view(status(history=[entry]))).code is code


def test_a_label_that_moves_on_before_the_controller_saw_it_is_superseded(view, status):
    wait = waiting(revision="6.1.3")
    assert wait.judge(view(status(), {"revision": "6.1.3"}, generation=2)) is None
    assert wait.judge(view(status(), {"revision": "6.1.4"}, generation=3)).code is Exit.SUPERSEDED


@pytest.mark.parametrize("text", ["weight>=0", "weight>=101", "weight", "Promoted", "", "weight>=5.5", "failed"])
def test_a_goal_that_there_is_not_is_refused_with_those_that_there_are(text):
    with pytest.raises(ValueError, match="must be promoted, rolled-back, paused, ready, or weight>=N"):
        parse_goal(text)


def test_a_weight_may_be_written_as_percent():
    assert str(parse_goal("weight >= 25%")) == "weight>=25"


def test_no_phase_makes_a_goal_both_reached_and_failed(view, status):
    """Whatever the phase, the verdict is one of few; nothing is ever superseded without a revision."""
    for phase in ("Initializing", "Idle", "Progressing", "Promoting", "RollingBack", "RolledBack", "Promoted", ""):
        for goal in ("promoted", "rolled-back", "paused", "ready", "weight>=1"):
            verdict = waiting(goal).judge(view(msgspec.to_builtins(status(phase))))
            assert verdict is None or verdict.code in (Exit.REACHED, Exit.FAILED)
