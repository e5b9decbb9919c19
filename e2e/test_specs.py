"""The real API server, the embedded one and the controller's own validation give the same verdict on every spec of
`tests/api`.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml

from canary.api.rules import RULES, Rule
from canary.api.validation import defaulted, validate
from canary.kube.client import Client
from canary.kube.clock import SystemClock
from canary.kube.errors import Invalid
from canary.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, Resource
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.apiserver.server import ApiServer
from e2e.conftest import REPOSITORY, USER_AGENT
from e2e.plane import Plane

CANARIES = Resource("canary.delivery", "v1beta1", "canaries", "Canary")
_UNKNOWN = re.compile(r'unknown field "([^"]+)"')


def corpus(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = yaml.safe_load((REPOSITORY / "tests" / "api" / f"{name}.yaml").read_text())[
        "updates" if name == "updates" else "specs"
    ]
    return cases


GOOD, BAD, UPDATES = corpus("good_specs"), corpus("bad_specs"), corpus("updates")


def named(cases: Iterable[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in cases]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the API server said: the status, what it would store, and each (field, message) that it refused."""

    code: int
    stored: dict[str, Any]
    causes: tuple[tuple[str, str], ...]

    def names(self, field: str) -> bool:
        return any(names(found, field) for found, _ in self.causes)


Judge = Callable[..., Awaitable[Verdict]]
NAMESPACE = "default"
"""It is there from the beginning, on either server; nothing is stored in it."""


def names(found: str, field: str) -> bool:
    """Whether `found` is the field or something inside it."""
    return found == field or found.startswith((f"{field}.", f"{field}["))


def canary(spec: Any) -> dict[str, Any]:
    return {"apiVersion": CANARIES.api_version, "kind": "Canary", "metadata": {"name": "web"}, "spec": spec}


@cache
def definition() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((REPOSITORY / "crds" / "canaries.yaml").read_text())
    return found


@asynccontextmanager
async def fresh(namespace: str) -> AsyncIterator[Client]:
    """A client of a fresh embedded server with the shipped definition."""
    server = ApiServer(SystemClock(), random.Random(1))
    client = Client(DirectTransport(server, user_agent=USER_AGENT), clock=SystemClock(), rng=random.Random(1))
    await client.create(CUSTOM_RESOURCE_DEFINITIONS, definition())
    if namespace != NAMESPACE:
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    yield client
    await client.close()


@pytest.fixture
async def embedded(namespace: str) -> AsyncIterator[Client]:
    async with fresh(namespace) as client:
        yield client


@pytest.fixture(scope="module")
def verdicts() -> dict[tuple[str, str], Verdict]:
    """What both servers have agreed on: they are asked once about a spec, whichever tests want to know."""
    return {}


@pytest.fixture
def judge(canaries: Plane, admin: Client, verdicts: dict[tuple[str, str], Verdict]) -> Judge:
    """Asks both servers, which store nothing and must agree; the verdict of the real one."""

    async def ask(client: Client, spec: Any, validation: str) -> Verdict:
        query = {"fieldValidation": validation, "dryRun": "All"}
        body = json.dumps(canary(spec)).encode()
        answer = await client.transport.request("POST", CANARIES.path(NAMESPACE), query=query, body=body)
        return _verdict(answer.status, json.loads(answer.body))

    async def judge(spec: Any, *, validation: str = "Strict") -> Verdict:
        key = json.dumps(spec), validation
        if key not in verdicts:
            async with fresh(NAMESPACE) as client:
                verdicts[key] = agreed(await ask(admin, spec, validation), await ask(client, spec, validation))
        return verdicts[key]

    def agreed(real: Verdict, fake: Verdict) -> Verdict:
        assert fake.code == real.code, f"real: {real.causes}, embedded: {fake.causes}"
        assert fake.stored.get("spec") == real.stored.get("spec")
        # An error inside a rule reads otherwise, and may stand at the rule instead of the field that it points at.
        assert {_at_rule(field) for field, _ in fake.causes} >= {_at_rule(field) for field, _ in real.causes}
        return real

    return judge


def _at_rule(field: str) -> str:
    return field.removesuffix(".rollbackAt").removesuffix(".from")


def _verdict(code: int, body: dict[str, Any]) -> Verdict:
    if code < 300:
        return Verdict(code, body, ())
    causes = [(cause["field"], cause["message"]) for cause in body.get("details", {}).get("causes") or ()]
    causes += [(field, "unknown") for field in _UNKNOWN.findall(body["message"])]
    # The server's remark that it has skipped rules is no cause.
    return Verdict(code, {}, tuple(cause for cause in causes if cause[0] != "<nil>"))


@pytest.mark.parametrize("case", named(GOOD))
async def test_a_good_spec_is_accepted_by_both_with_the_same_defaults(judge: Judge, case: dict[str, Any]) -> None:
    real = await judge(case["spec"])
    assert (real.code, real.causes) == (201, ())
    assert validate(case["spec"]) == ()
    assert real.stored["spec"] == defaulted(case["spec"])


@pytest.mark.parametrize("case", named(BAD))
async def test_a_bad_spec_is_refused_by_both_and_both_name_the_field(judge: Judge, case: dict[str, Any]) -> None:
    real = await judge(case["spec"])
    own = [error.field for error in validate(case["spec"])]
    assert real.code in (400, 422)
    assert any(names(field, case["field"]) for field in own), f"the controller names {own}"
    assert real.names(case["field"]), f"the server names {real.causes}"


@pytest.mark.parametrize("case", named(BAD))
async def test_the_controller_finds_every_fault_that_the_server_finds(judge: Judge, case: dict[str, Any]) -> None:
    real = await judge(case["spec"])
    own = [error.field for error in validate(case["spec"])]
    # Inside a value of the wrong type the server goes on to name unknown fields; the controller stops there.
    missed = [
        (field, message)
        for field, message in real.causes
        if not any(names(found, field) or names(field, found) for found in own)
    ]
    assert not missed, f"the controller names {own}"


@pytest.mark.parametrize("case", named(case for case in BAD if case.get("strictOnly")))
async def test_an_unknown_field_is_dropped_by_a_server_that_was_not_asked_to_be_strict(
    judge: Judge, case: dict[str, Any]
) -> None:
    real = await judge(case["spec"], validation="Ignore")
    assert real.code == 201
    assert validate(real.stored["spec"]) == ()


@pytest.mark.parametrize("case", named(UPDATES))
async def test_a_change_is_judged_as_the_corpus_says(
    canaries: Plane, admin: Client, embedded: Client, namespace: str, case: dict[str, Any]
) -> None:
    for client in (admin, embedded):
        stored = await client.create(CANARIES, canary(case["old"]), namespace)
        changed = {**canary(case["spec"]), "metadata": stored["metadata"]}
        if "field" not in case:
            await client.replace(CANARIES, "web", changed, namespace)
            continue
        with pytest.raises(Invalid) as caught:
            await client.replace(CANARIES, "web", changed, namespace)
        assert case["field"] in {cause["field"] for cause in caught.value.details["causes"]}


@pytest.mark.parametrize("rule", [rule for rule in RULES if not rule.transition], ids=lambda rule: rule.path)
async def test_every_rule_refuses_something_on_the_server_in_its_own_words(judge: Judge, rule: Rule) -> None:
    field = re.compile(re.escape(f"{rule.path}{rule.field_path}").replace(r"\[\]", r"\[\d+\]"))
    said = [cause for case in BAD for cause in (await judge(case["spec"])).causes if field.fullmatch(cause[0])]
    assert any(rule.message in message for _, message in said), f"{rule.cel} is not among {said}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.path)
def test_every_rule_has_something_to_accept(rule: Rule) -> None:
    values = [value for case in GOOD for value in _at(defaulted(case["spec"]), rule.path)]
    read = [value for value in values if isinstance(value, list) or all(_at(value, f"self.{f}") for f in rule.reads)]
    assert read, rule.cel


def _at(value: Any, path: str) -> list[Any]:
    """The values at a path below `value`; its first part names `value` itself."""
    values = [value]
    for part in path.split(".")[1:]:
        name = part.removesuffix("[]")
        values = [item[name] for item in values if isinstance(item, dict) and name in item]
        if part.endswith("[]"):
            values = [item for items in values for item in items]
    return values


async def test_two_appliers_each_own_their_port(
    canaries: Plane, admin: Client, embedded: Client, namespace: str
) -> None:
    rest = {"targetRef": {"name": "web"}, "steps": [{"weight": 5}]}
    ports = [{"name": "http", "port": 80}, {"name": "grpc", "port": 90, "protocol": "TCP"}]
    for client in (admin, embedded):
        for manager, port in zip("ab", ports, strict=True):
            applied = canary({**rest, "service": {"name": "web", "ports": [port]}})
            query, body = {"fieldManager": manager}, json.dumps(applied).encode()
            path = CANARIES.path(namespace, "web")
            answer = await client.transport.request(
                "PATCH", path, query=query, body=body, content_type="application/apply-patch+yaml"
            )
            assert answer.status < 300, answer.body
        stored = json.loads(answer.body)["spec"]["service"]["ports"]
        assert stored == [{**port, "protocol": "TCP"} for port in ports]


async def test_a_new_canary_has_the_status_that_no_controller_has_seen(
    canaries: Plane, admin: Client, namespace: str
) -> None:
    stored = await admin.create(CANARIES, canary(GOOD[0]["spec"]), namespace)
    assert stored["status"] == {"observedGeneration": -1}
