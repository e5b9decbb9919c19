"""Commands of people: what is written, what is refused, and what is waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from canary.cli.canaries import CANARIES
from canary.cli.exits import Exit, Failure
from canary.cli.give import Manner, abort_rollout, command
from canary.cli.orders import ABORT_ANNOTATION, COMMAND_ANNOTATION, AlreadySo, abort, order, timestamp
from canary.core.commands import Abort, Command, Verb, parse_abort, parse_command
from canary.kube.errors import Ambiguous
from canary.sandbox.apiserver.direct import DirectTransport

NOW = datetime(2026, 1, 1, 12, 0, 0, 250, tzinfo=UTC)
STAMP = "2026-01-01T12:00:00.000250Z"
REVISION = "podinfo-v2:77de"
WAITING_FOR_PROD = {"reason": "WaitingForApproval", "step": 3}


@pytest.mark.parametrize(
    ("verb", "argument", "phase", "options"),
    [
        (Verb.PROMOTE, "", "Progressing", {}),
        (Verb.PROMOTE_FULL, "", "Progressing", {}),
        (Verb.APPROVE, "prod", "Progressing", {}),
        (Verb.PAUSE, "", "Progressing", {}),
        (Verb.PAUSE, "", "Promoting", {}),
        (Verb.RESUME, "", "Progressing", {"paused": True, "reason": "Paused"}),
        (Verb.RETRY, "", "RolledBack", {}),
    ],
)
def test_an_order_is_what_the_controller_reads(view, status, verb, argument, phase, options):
    given = order(view(status(phase, **options)), verb, NOW, argument)
    assert given.annotation == COMMAND_ANNOTATION
    assert parse_command(given.value) == Command(verb, argument, REVISION, STAMP)


@pytest.mark.parametrize(
    ("verb", "argument", "phase", "options", "words"),
    [
        (Verb.APPROVE, "staging", "Progressing", {}, "there are: prod"),
        (Verb.APPROVE, "prod", "Promoted", {}, "no rollout .* is running"),
        (Verb.RETRY, "", "Progressing", {}, "not rolled back"),
        (Verb.PROMOTE, "", "RolledBack", {}, "no rollout .* is running"),
        (Verb.PROMOTE, "", "Promoting", {}, "already being promoted"),
        (Verb.PROMOTE_FULL, "", "Idle", {}, "no rollout .* is running"),
        (Verb.PAUSE, "", "Promoted", {}, "no rollout .* is running"),
        (Verb.RESUME, "", "Progressing", {}, "is not paused; weight 25%"),
        (Verb.RESUME, "", "Progressing", WAITING_FOR_PROD, "canary approve podinfo prod -n shop"),
        (Verb.RESUME, "", "Progressing", {"reason": "Suspended"}, "spec.suspend is true"),
        (Verb.PAUSE, "", "Progressing", {"canaryRevision": ""}, "no revision yet"),
    ],
)
def test_an_order_that_cannot_apply_is_refused_in_words(view, status, verb, argument, phase, options, words):
    with pytest.raises(Failure, match=words):
        order(view(status(phase, **options)), verb, NOW, argument)


def test_a_plan_without_approvals_says_so(view, status):
    with pytest.raises(Failure, match="have no approval"):
        order(view(status(), {"steps": [{"weight": 50}]}), Verb.APPROVE, NOW, "prod")


def test_a_suspended_rollout_is_not_promoted(view, status):
    with pytest.raises(Failure, match=r"spec\.suspend"):
        order(view(status(), {"suspend": True}), Verb.PROMOTE, NOW)


def test_what_is_paused_is_not_paused_again(view, status):
    with pytest.raises(AlreadySo, match="already paused at 25%"):
        order(view(status(paused=True, reason="Paused")), Verb.PAUSE, NOW)


def test_what_happens_next_is_said_with_the_next_weight(view, status):
    assert "goes to 100% now" in order(view(status(step=2)), Verb.PROMOTE, NOW).outlook
    assert "goes to 25% now" in order(view(status(step=1)), Verb.PROMOTE, NOW).outlook


@pytest.mark.parametrize(("verb", "step"), [(Verb.PROMOTE, 4), (Verb.PROMOTE_FULL, 1)])
def test_in_managed_mode_a_promotion_is_a_takeover_by_the_stable_copy(view, status, verb, step):
    spec = {"targetRef": {"name": "podinfo"}, "backends": None}
    assert "is taken over by the stable copy now" in order(view(status(step=step), spec), verb, NOW).outlook


@pytest.mark.parametrize(("phase", "revision"), [("Progressing", REVISION), ("Promoting", REVISION), ("Promoted", "")])
def test_an_abort_names_the_revision_that_runs_and_is_never_refused(view, status, phase, revision):
    given = abort(view(status(phase)), NOW)
    assert (given.annotation, parse_abort(given.value)) == (ABORT_ANNOTATION, Abort(revision, STAMP))


@pytest.mark.parametrize("spec", [{}, {"steps": []}])
def test_an_abort_needs_no_status_and_no_valid_spec(view, spec):
    assert parse_abort(abort(view({}, spec), NOW).value).revision == ""


def test_no_two_moments_have_the_same_text():
    moments = [NOW + timedelta(microseconds=n) for n in (0, 1, 750, 999_750)]
    assert len({timestamp(moment) for moment in moments}) == 4


# Writing it.


def test_the_annotation_is_written_by_our_field_manager_alone(in_world):
    async def test(world):
        await world.create()
        assert await world.code(command(world.session(), "podinfo", Verb.PAUSE, Manner())) == 0
        found = await world.cluster.client.get(CANARIES, "podinfo", "shop")
        fields = [e["fieldsV1"] for e in found["metadata"]["managedFields"] if e["manager"] == "canary-cli"]
        return found["metadata"]["annotations"], fields, world.out.getvalue()

    annotations, fields, said = in_world(test)
    value = f"pause@{REVISION}@2026-01-01T12:00:00.000000Z"
    assert annotations == {COMMAND_ANNOTATION: value}
    assert [set(f) for f in fields] == [{"f:metadata"}]
    assert set(fields[0]["f:metadata"]["f:annotations"]) - {"."} == {f"f:{COMMAND_ANNOTATION}"}
    assert said == "shop/podinfo: the weight stays at 25% until canary resume; a breach still rolls back\n"


class _Racing(DirectTransport):
    """Lets somebody else write just before each of the first `times` patches."""

    def __init__(self, server, before, times=2):
        super().__init__(server)
        self._before, self._times = before, times

    async def request(self, method, path, **options):
        if method == "PATCH" and self._times:
            self._times -= 1
            await self._before()
        return await super().request(method, path, **options)


def test_a_status_write_in_between_does_not_lose_the_order(in_world, status):
    async def test(world):
        await world.create()
        count = 0

        async def report():
            nonlocal count
            count += 1
            await world.report(status(failedWindows=count))

        session = world.session(transport=_Racing(world.cluster.server, report))
        return await world.code(command(session, "podinfo", Verb.PAUSE, Manner())), await world.annotations()

    code, annotations = in_world(test)
    assert code == 0
    assert annotations[COMMAND_ANNOTATION].startswith("pause@")


def test_an_order_for_one_revision_is_not_given_to_the_next(in_world, status):
    async def test(world):
        await world.create()
        session = world.session(
            transport=_Racing(world.cluster.server, lambda: world.report(status(canaryRevision="podinfo-v3:aa")), 1)
        )
        code = await world.code(command(session, "podinfo", Verb.PROMOTE, Manner()))
        return code, await world.annotations(), world.err.getvalue()

    code, annotations, said = in_world(test)
    assert (code, annotations) == (Exit.ERROR, {})
    assert "turned to another revision, podinfo-v3:aa" in said


def test_an_abort_follows_to_the_revision_that_runs_now(in_world, status):
    async def test(world):
        await world.create()
        session = world.session(
            transport=_Racing(world.cluster.server, lambda: world.report(status(canaryRevision="podinfo-v3:aa")), 1)
        )
        assert await world.code(abort_rollout(session, "podinfo", Manner())) == 0
        return await world.annotations()

    assert in_world(test)[ABORT_ANNOTATION].startswith("podinfo-v3:aa@")


class _Deaf(DirectTransport):
    """Patches are carried out, but their answer is lost."""

    async def request(self, method, path, **options):
        answer = await super().request(method, path, **options)
        if method == "PATCH":
            raise Ambiguous("the answer is lost")
        return answer


def test_a_write_whose_answer_is_lost_is_settled_by_reading(in_world):
    async def test(world):
        await world.create()
        session = world.session(transport=_Deaf(world.cluster.server))
        return await world.code(abort_rollout(session, "podinfo", Manner())), len(await world.annotations())

    assert in_world(test) == (0, 1)


def _annotated(world, key, value):
    patch = {"metadata": {"annotations": {key: value}}}
    return world.cluster.client.patch(CANARIES, "podinfo", patch, "shop")


def test_a_command_that_is_not_answered_is_not_written_over(in_world):
    async def test(world):
        await world.create()
        await _annotated(world, COMMAND_ANNOTATION, f"approve/prod@{REVISION}@t")
        code = await world.code(command(world.session(), "podinfo", Verb.PAUSE, Manner()))
        return code, await world.annotations(), world.err.getvalue()

    code, annotations, said = in_world(test)
    assert (code, annotations[COMMAND_ANNOTATION]) == (Exit.ERROR, f"approve/prod@{REVISION}@t")
    assert "has not answered the command 'approve/prod@podinfo-v2:77de@t' yet" in said


def test_force_writes_over_it(in_world):
    async def test(world):
        await world.create()
        await _annotated(world, COMMAND_ANNOTATION, f"approve/prod@{REVISION}@t")
        await command(world.session(), "podinfo", Verb.PAUSE, Manner(force=True))
        return await world.annotations()

    assert in_world(test)[COMMAND_ANNOTATION].startswith("pause@")


def test_a_command_that_was_answered_and_stays_in_git_is_written_over(in_world, status):
    async def test(world):
        await world.create(status(record={"command": "old@r@t"}))
        await _annotated(world, COMMAND_ANNOTATION, "old@r@t")
        return await world.code(command(world.session(), "podinfo", Verb.PAUSE, Manner()))

    assert in_world(test) == 0


def test_an_abort_waits_for_no_command(in_world):
    async def test(world):
        await world.create()
        await _annotated(world, COMMAND_ANNOTATION, f"approve/prod@{REVISION}@t")
        await abort_rollout(world.session(), "podinfo", Manner())
        return await world.annotations(), world.cluster.clock.monotonic()

    annotations, moment = in_world(test)
    assert (set(annotations), moment) == ({COMMAND_ANNOTATION, ABORT_ANNOTATION}, 0.0)


# Waiting for it.


def _answer(world, status, phase="Progressing", key=COMMAND_ANNOTATION, **fields):
    async def answer():
        value = (await world.annotations())[key]
        record = {"abort": value} if key == ABORT_ANNOTATION else {"command": value}
        await world.report(status(phase, record=record, **fields))

    return answer()


def test_the_effect_is_waited_for(in_world, status):
    async def test(world):
        await world.create()
        given = abort_rollout(world.session(), "podinfo", Manner(wait=30.0))
        back = _answer(world, status, "RollingBack", ABORT_ANNOTATION, canaryWeight=0, message="aborted by request")
        return await world.code(given, (3, back)), world.out.getvalue().splitlines()[-1]

    assert in_world(test) == (0, "shop/podinfo RollingBack 0%: aborted by request")


@pytest.mark.parametrize(
    ("verb", "argument", "before", "after"),
    [
        (Verb.PROMOTE, "", {}, {"canaryWeight": 100, "step": 4}),
        (Verb.PROMOTE_FULL, "", {}, {"phase": "Promoting", "canaryWeight": 100}),
        (Verb.APPROVE, "prod", {"paused": True, "reason": "WaitingForApproval", "step": 3}, {"step": 4}),
        (Verb.PAUSE, "", {}, {"paused": True, "reason": "Paused"}),
        (Verb.RESUME, "", {"paused": True, "reason": "Paused"}, {}),
        (Verb.RETRY, "", {"phase": "RolledBack"}, {"phase": "Progressing", "canaryWeight": 0, "step": 0}),
    ],
)
def test_each_effect_is_known_from_the_status(in_world, status, verb, argument, before, after):
    async def test(world):
        await world.create(status(**before))
        given = command(world.session(), "podinfo", verb, Manner(wait=30.0), argument)
        return await world.code(given, (3, _answer(world, status, **after)))

    assert in_world(test) == 0


@pytest.mark.parametrize("verb", [Verb.PROMOTE, Verb.PROMOTE_FULL, Verb.PAUSE])
def test_an_answer_without_effect_is_a_failure(in_world, status, verb):
    async def test(world):
        await world.create()
        given = command(world.session(), "podinfo", verb, Manner(wait=30.0))
        return await world.code(given, (3, _answer(world, status))), world.err.getvalue()

    code, said = in_world(test)
    assert code == Exit.ERROR
    assert "did not carry it out; its events say why: canary status podinfo -n shop" in said


def test_no_answer_in_time_is_code_3(in_world):
    async def test(world):
        await world.create()
        code = await world.code(command(world.session(), "podinfo", Verb.PAUSE, Manner(wait=30.0)))
        return code, world.cluster.clock.monotonic()

    assert in_world(test) == (Exit.TIMEOUT, 30.0)
