"""A handler over numbers that are given, and builders for these."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from canary.metrics.prometheus.question import Measured, Question, Workload
from canary.smi_metrics.handler import Answer, Handler
from canary.smi_metrics.kinds import PREFIX
from canary.smi_metrics.refusal import Refusal

AT = 1_767_268_800.0  # 2026-01-01T12:00:00Z


def workload(name="web", namespace="shop", kind="deployment"):
    return Workload(kind, "" if kind == "namespace" else namespace, name)


def measured(name="web", namespace="shop", kind="deployment", **overrides: Any) -> Measured:
    numbers: dict[str, Any] = {
        "success": 73.492,
        "failure": 0.0,
        "latency": {"p50": 0.1625, "p90": 0.26875, "p99": 0.296875},
        "at": AT,
    }
    return Measured(workload(name, namespace, kind), **numbers | overrides)


@dataclass
class Given:
    """A measurer with numbers, which answers as a careless one would: with all that it has. Remembers the questions."""

    numbers: list[Measured] = field(default_factory=list)
    edges: list[Measured] = field(default_factory=list)
    error: Exception | None = None
    questions: list[Question] = field(default_factory=list)

    async def measure(self, question: Question) -> list[Measured]:
        self.questions.append(question)
        if self.error is not None:
            raise self.error
        return self.edges if question.edges else self.numbers


@dataclass
class Labelled:
    """Labels as they are given: the objects that each selector selects."""

    objects: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    async def matching(self, served, namespace, selector):
        self.asked.append((served.plural, namespace, selector))
        if selector not in self.objects:
            raise Refusal(400, f"labelSelector: unable to parse {selector}")
        return frozenset(self.objects[selector])


class Api:
    """The API as a client sees it, without sockets."""

    def __init__(self, given: Given, labels: Labelled, problem: str = "") -> None:
        self.handler = Handler(given, labels, ready=lambda: problem)

    async def ask(self, path: str, accept: str = "application/json", method: str = "GET", **query: str) -> Answer:
        full = path if path.startswith(("/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz")) else ""
        return await self.handler.answer(method, full or f"{PREFIX}{path}", query, accept)

    async def get(self, path: str, **query: str) -> Any:
        """The body of an answer that must be a success."""
        answer = await self.ask(path, **query)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    async def refused(self, path: str, **query: str) -> dict[str, Any]:
        """The Status of an answer that must be none of success."""
        answer = await self.ask(path, **query)
        body = json.loads(answer.body)
        assert body["kind"] == "Status"
        assert body["status"] == "Failure"
        assert body["code"] == answer.status >= 400
        return body


@pytest.fixture
def given():
    return Given()


@pytest.fixture
def labels():
    return Labelled()


@pytest.fixture
def api(given, labels):
    return Api(given, labels)
