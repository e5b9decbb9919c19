"""`canary status`: the screen, and its changes as lines."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from canary.cli.canaries import CANARIES
from canary.cli.events import Happening
from canary.cli.screen import screen
from canary.cli.status import status as show
from canary.cli.status import watch
from canary.kube.errors import Forbidden
from canary.kube.resources import EVENTS
from canary.sandbox.apiserver.direct import DirectTransport

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
METRICS = [
    {
        "name": "success-rate",
        "verdict": "Breach",
        "canary": "98.71%",
        "stable": "99.92%",
        "limit": "min 99%",
        "message": "success-rate 98.71% is below 99% (13 of 1007 failed)",
    },
    {"name": "latency", "verdict": "Healthy", "canary": "212ms", "stable": "198ms", "limit": "max 500ms"},
]
HISTORY = [
    {
        "revision": "podinfo-v1:5b9c",
        "startedAt": "2026-01-01T10:00:00Z",
        "endedAt": "2026-01-01T10:12:00Z",
        "outcome": "Promoted",
        "reason": "Promoted",
    }
]
GOLDEN = """\
shop/podinfo   ◌ Progressing (Breach)   revision 6.1.2 (podinfo-v2:77de)   stable podinfo-v1:5b9c
Weight      █████··············· 25%   step 2 of 4
            next: 100% after approval prod   next look in 38s   promotion in 5m38s at the earliest after 1 approval
Waits for   weight 25%, step 2, success-rate 98.71% is below 99%
Steps       ✔ 1    5%  hold 2m
            ▶ 2   25%  hold 5m  at least 500 requests
            · 3  approval prod
            · 4  100%  hold 5m
Checks      METRIC         CANARY   STABLE   LIMIT       VERDICT
            success-rate   98.71%   99.92%   min 99%     ✖ Breach  success-rate 98.71% is below 99% (13 of 1007 failed)
            latency        212ms    198ms    max 500ms   ✔ Healthy
            failed windows: 1 of 3
Conditions  Ready        Unknown Breach for 2m
            Reconciling  True    Breach for 2m
            Promoted     Unknown Breach for 2m
History     2026-01-01T10:12:00Z  Promoted in 12m  podinfo-v1:5b9c
Events        95s ago  StepStarted  weight 25%
              15s ago  CheckFailed  success-rate 98.71% is below 99% (×2)
"""


def lines(view, events=(), now=NOW):
    return [line.plain for line in screen(view, events, now)]


def section(view, label):
    """The lines of one section, without the label."""
    shown = lines(view)
    start = next((n for n, line in enumerate(shown) if line.startswith(label)), None)
    if start is None:
        return []
    end = next((n for n in range(start + 1, len(shown)) if not shown[n].startswith(" ")), len(shown))
    return [line[12:] for line in shown[start:end]]


def test_the_screen_shows_all_that_matters(view, status):
    shown = status(
        reason="Breach",
        message="weight 25%, step 2, success-rate 98.71% is below 99%",
        nextEvaluation="2026-01-01T12:00:38Z",
        metrics=METRICS,
        history=HISTORY,
    )
    events = (
        Happening("StepStarted", "weight 25%", datetime(2026, 1, 1, 11, 58, 25, tzinfo=UTC)),
        Happening(
            "CheckFailed", "success-rate 98.71% is below 99%", datetime(2026, 1, 1, 11, 59, 45, tzinfo=UTC), True, 2
        ),
    )
    assert "\n".join(lines(view(shown), events)) + "\n" == GOLDEN


def test_an_approval_is_explained_with_the_command_that_gives_it(view, status):
    shown = view(status(paused=True, step=3, reason="WaitingForApproval", message="step 3 waits for approval prod"))
    assert lines(shown)[0].startswith("shop/podinfo   ॥ Progressing (WaitingForApproval)")
    assert section(shown, "Waits for") == [
        "step 3 waits for approval prod",
        "→ approve it: canary approve podinfo prod -n shop",
    ]
    assert section(shown, "Steps")[2] == "॥ 3  approval prod"


@pytest.mark.parametrize(
    ("phase", "reason", "words"),
    [
        ("RolledBack", "CheckFailed", "canary retry podinfo -n shop"),
        ("Progressing", "Paused", "canary resume podinfo -n shop"),
        ("Progressing", "ManualWeight", "canary resume podinfo -n shop"),
        ("Progressing", "Suspended", "spec.suspend"),
        ("Progressing", "MetricsHold", "ends by itself"),
        ("Invalid", "InvalidSpec", "correct the spec"),
    ],
)
def test_whoever_is_needed_is_told_what_to_do(view, status, phase, reason, words):
    shown = view(status(phase, reason=reason, paused=phase == "Progressing"))
    assert words in section(shown, "Waits for")[-1]


def test_a_controller_that_has_not_seen_the_spec_is_named(view, status):
    shown = view(status(generation=1), generation=2)
    assert "has not seen generation 2 yet" in section(shown, "Waits for")[0]
    assert all(line.endswith(", of generation 1") for line in section(shown, "Conditions"))


def test_a_promoted_canary_has_all_steps_behind_it(view, status):
    shown = view(status("Promoted", canaryWeight=100, step=4))
    assert all(line.startswith("✔") for line in section(shown, "Steps"))
    assert len(section(shown, "Weight")) == 1


def test_an_invalid_spec_still_has_a_screen(view, status):
    shown = view(status("Invalid", message="spec.steps: must ascend"), {"steps": [{"weight": 50}, {"weight": 10}]})
    assert section(shown, "Steps") == []
    assert section(shown, "Waits for")[0] == "spec.steps: must ascend"


def test_a_status_that_cannot_be_read_still_has_a_screen(view):
    shown = view({"observedGeneration": "three"})
    assert lines(shown)[0].startswith("shop/podinfo   ◌ Unknown")


def test_events_that_may_not_be_read_are_said_to_be_hidden(view):
    assert lines(view(), None)[-1] == "Events      may not be read with these credentials"


def test_no_text_of_an_object_can_move_the_cursor(view, status):
    hostile = "fine\x1b[2J\x1b]0;title\x07\r\u202egnp"
    shown = view(
        status(message=hostile, metrics=[{"name": "m", "verdict": "Healthy", "message": hostile, "canary": hostile}])
    )
    everything = "".join(lines(shown, (Happening(hostile, hostile),)))
    assert not set(everything) & set("\x1b\x07\r\u202e")


def test_the_events_of_this_canary_are_read_oldest_first(in_world):
    async def test(world):
        await world.create()
        found = await world.cluster.client.get(CANARIES, "podinfo", "shop")
        for second, uid in ((50, found["metadata"]["uid"]), (40, found["metadata"]["uid"]), (45, "another")):
            event = {
                "apiVersion": "events.k8s.io/v1",
                "kind": "Event",
                "metadata": {"name": f"e{second}", "namespace": "shop"},
                "eventTime": f"2026-01-01T11:59:{second}.000000Z",
                "reportingController": "canary.delivery/controller",
                "reportingInstance": "test",
                "action": "Judge",
                "reason": f"Reason{second}",
                "note": "a note",
                "type": "Normal",
                "regarding": {
                    "apiVersion": CANARIES.api_version,
                    "kind": "Canary",
                    "name": "podinfo",
                    "namespace": "shop",
                    "uid": uid,
                },
            }
            await world.cluster.client.create(EVENTS, event, "shop")
        assert await world.code(show(world.session(), "podinfo")) == 0
        return [line for line in world.out.getvalue().splitlines() if "Reason" in line]

    assert in_world(test) == ["Events        20s ago  Reason40  a note", "              10s ago  Reason50  a note"]


class _NoEvents(DirectTransport):
    async def request(self, method, path, **options):
        if "/events" in path:
            raise Forbidden(403, "Forbidden", "no events for you")
        return await super().request(method, path, **options)


def test_the_screen_is_shown_without_the_right_to_read_events(in_world):
    async def test(world):
        await world.create()
        session = world.session(transport=_NoEvents(world.cluster.server))
        assert await world.code(show(session, "podinfo")) == 0
        return world.out.getvalue().splitlines()[-1]

    assert in_world(test) == "Events      may not be read with these credentials"


def test_where_nobody_watches_each_change_is_one_line(in_world, status):
    async def test(world):
        await world.create()
        task = asyncio.create_task(world.code(watch(world.session(), "podinfo")))
        await asyncio.sleep(1)
        await world.report(status())
        await world.report(status(canaryWeight=100, step=4, message="weight 100%"))
        await asyncio.sleep(1)
        await world.cluster.client.delete(CANARIES, "podinfo", "shop")
        return await task, world.out.getvalue(), world.err.getvalue()

    assert in_world(test) == (
        4,
        "shop/podinfo Progressing 25% step 2/4: weight 25%, step 2 of 4, Healthy\n"
        "shop/podinfo Progressing 100% step 4/4: weight 100%\n",
        "Error: Canary podinfo in namespace shop was deleted\n",
    )
