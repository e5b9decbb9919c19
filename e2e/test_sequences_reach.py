"""The generated sequences reach what they are there to compare. They are played on the embedded server alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from canary.kube.resources import LEASES, NAMESPACES, PODS
from canary.sandbox.apiserver.builtin import BUILTIN
from e2e.conftest import REPOSITORY
from e2e.truth.embedded import embedded, make_namespace
from e2e.truth.kinds import KINDS
from e2e.truth.objects import CANARIES, SPLITS
from e2e.truth.operations import SEQUENCES, Operation, operations
from e2e.truth.playable import CONTROLLED, Kind
from e2e.truth.playing import play

# The words of Roles for what is played.
PLAYED_AS = {
    "get": {"get"},
    "list": {"list", "page"},
    "watch": {"watch", "stream"},
    "create": {"create"},
    "update": {"update"},
    "patch": {"patch", "apply"},
    "delete": {"delete"},
}
# Groups that no API server serves by itself, each with a reason. Any group beside these has to be played.
METRICS_API = "metrics.smi-spec.io"
OPTIONAL = {
    METRICS_API: "Another server answers behind the API server, which only hands it on.",
    "keda.sh": "Custom resources, there once KEDA is installed.",
    "monitoring.coreos.com": "Custom resources, there once the Prometheus operator is installed.",
    "linkerd.io": "Custom resources, there once Linkerd is installed.",
    "networking.istio.io": "Custom resources, there once Istio is installed.",
}
WRITES = frozenset({"update", "patch", "apply"})
KIND_IDS = [kind.resource.plural for kind in KINDS]


@dataclass(frozen=True, slots=True)
class Answer:
    operation: Operation
    code: int
    reason: str | None
    moved: bool | None
    warned: bool
    body: dict[str, Any]

    @property
    def generation(self) -> int:
        metadata = self.body.get("metadata", {})
        return metadata.get("generation") or 0


@dataclass(frozen=True, slots=True)
class Played:
    answers: list[Answer]
    watches: list[list[dict[str, Any]]]

    def of(self, kind: Kind) -> list[Answer]:
        return [answer for answer in self.answers if answer.operation.kind is kind]


@pytest.fixture(scope="module")
def played() -> Played:
    return asyncio.run(_played())


async def _played() -> Played:
    played = Played([], [])
    async with embedded() as server:
        for seed in range(SEQUENCES):
            await make_namespace(server, f"reach-{seed}")
            sequence = operations(seed)
            notes = (await play(server, f"reach-{seed}", sequence)).notes
            by_label = {f"{number}. {operation}": operation for number, operation in enumerate(sequence)}
            for label, note in notes:
                if isinstance(note, dict) and "warned" in note and label in by_label:
                    played.answers.append(_answer(by_label[label], note))
                elif label.startswith(("every event", "after all")):
                    played.watches.append(note)
    return played


def _answer(operation: Operation, note: dict[str, Any]) -> Answer:
    body, reason = note.get("body"), note.get("failure", {}).get("reason")
    body = body if isinstance(body, dict) else {}
    return Answer(operation, note["code"], reason, note.get("moved"), note["warned"], body)


def _rules() -> list[dict[str, Any]]:
    """The rules of the shipped Roles, with those that the chart has only when it is told so."""
    text = (REPOSITORY / "charts" / "canary" / "templates" / "_rules.tpl").read_text()
    body = text.split('{{- define "canary.rules" -}}')[1]
    rules: list[dict[str, Any]] = yaml.safe_load(
        "\n".join(line for line in body.splitlines() if not line.startswith("{{"))
    )
    lease = {"apiGroups": [LEASES.group], "resources": [LEASES.plural], "verbs": ["get", "create", "update"]}
    return [*rules, lease]


def _rights() -> Iterator[tuple[str, str, str]]:
    """Resource, subresource and verb of all that the shipped Roles allow on what an API server serves itself.

    What is optional is to an API server as Canaries and TrafficSplits are, which are played: custom resources, of whose
    schemas nothing is known here.
    """
    for rule in _rules():
        if set(rule["apiGroups"]) <= OPTIONAL.keys():
            continue
        for resource in rule["resources"]:
            plural, _, subresource = resource.partition("/")
            yield from ((plural, subresource, verb) for verb in rule["verbs"])


def test_there_are_more_than_300_sequences_and_3000_operations() -> None:
    drawn = [operation for seed in range(SEQUENCES) for operation in operations(seed)]
    assert SEQUENCES >= 300
    assert len(drawn) > 3000


@pytest.mark.parametrize(("plural", "subresource", "verb"), list(_rights()))
def test_all_that_the_controller_may_do_is_played(plural: str, subresource: str, verb: str) -> None:
    drawn = {
        operation.verb
        for seed in range(SEQUENCES)
        for operation in operations(seed)
        if (operation.resource.plural, operation.sub or "") == (plural, subresource)
    }
    assert drawn & PLAYED_AS[verb]


def test_what_is_optional_is_asked_for_and_is_served_by_no_api_server_itself() -> None:
    served = {kind.group for kind in BUILTIN} | {CANARIES.group, SPLITS.group}
    asked = {group for rule in _rules() for group in rule["apiGroups"]}
    assert asked - served == OPTIONAL.keys()
    assert not OPTIONAL.keys() & served


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_every_verb_is_played_on_every_kind(kind: Kind) -> None:
    drawn = {op.verb for seed in range(SEQUENCES) for op in operations(seed) if op.kind is kind}
    assert all(drawn & words for words in PLAYED_AS.values())
    # There is but one namespace, which stays.
    assert kind.resource == NAMESPACES or drawn >= {"page", "deletecollection"}


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_every_kind_is_answered_in_every_way(kind: Kind, played: Played) -> None:
    met = {(answer.code, answer.reason) for answer in played.of(kind)}
    wanted = {(200, None), (400, "BadRequest"), (409, "Conflict"), (409, "AlreadyExists"), (422, "Invalid")}
    assert met >= (wanted if kind.resource == NAMESPACES else {*wanted, (201, None), (404, "NotFound")})


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_a_stale_version_and_a_write_of_nothing_are_met_on_every_kind(kind: Kind, played: Played) -> None:
    writes = [answer for answer in played.of(kind) if answer.operation.verb in WRITES]
    assert any(answer.reason == "Conflict" for answer in writes)
    if kind.resource not in CONTROLLED:
        # Of these it is not compared whether they moved.
        assert {answer.moved for answer in writes if answer.code == 200} == {True, False}


@pytest.mark.parametrize("kind", [k for k in KINDS if k.custom or k.resource == PODS], ids=lambda k: k.resource.plural)
def test_generations_grow_with_some_writes_and_not_with_others(kind: Kind, played: Played) -> None:
    answers = [answer for answer in played.of(kind) if answer.moved and answer.operation.verb in WRITES]
    assert {answer.generation > 1 for answer in answers} == {True, False}


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_unknown_fields_are_pruned_with_a_warning(kind: Kind, played: Played) -> None:
    odd = [answer for answer in played.of(kind) if '"odd"' in str(answer.operation) and answer.code < 300]
    assert any(answer.warned for answer in odd)
    assert all("odd" not in answer.body and "odd" not in (answer.body.get("spec") or {}) for answer in odd)


@pytest.mark.parametrize(("resource", "field"), [(CANARIES, "progressDeadline"), (PODS, "dnsPolicy")])
def test_defaults_are_filled_in(resource: Any, field: str, played: Played) -> None:
    created = [a for a in played.answers if a.operation.resource == resource and a.code == 201]
    assert sum(field in answer.body["spec"] for answer in created) > 20


def test_watches_tell_long_stories_in_order(played: Played) -> None:
    types = {event["type"] for events in played.watches for event in events}
    assert types == {"ADDED", "MODIFIED", "DELETED"}
    assert sum(len(events) > 3 for events in played.watches) > 50
    of_two = [events for events in played.watches if len({e["object"]["metadata"]["name"] for e in events}) == 3]
    assert len(of_two) > 50


def test_splits_are_written_through_every_version(played: Played) -> None:
    kind = next(kind for kind in KINDS if kind.resource == SPLITS)
    through = {answer.operation.resource for answer in played.of(kind) if answer.code == 201}
    assert through == set(kind.versions)
