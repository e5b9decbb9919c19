"""Manifests with overrides, and what is found in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from canary.lint.check import Report, Source, lint
from canary.lint.finding import Finding
from canary.lint.timetable import Traffic

Json = dict[str, Any]


def make_canary(
    *, analysis: Mapping[str, Any] | None = None, metadata: Mapping[str, Any] | None = None, **spec: Any
) -> Json:
    """A valid Canary of services mode; a field of the spec that is `None` is left out."""
    whole = {
        "backends": {"stable": "web-v1", "canary": "web-v2"},
        "service": {"name": "web"},
        "steps": [{"weight": 10, "hold": "10m"}, {"weight": 50, "hold": "10m"}],
        **({"analysis": dict(analysis)} if analysis else {}),
        **spec,
    }
    return {
        "apiVersion": "canary.delivery/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "web", "namespace": "shop", **(metadata or {})},
        "spec": {name: value for name, value in whole.items() if value is not None},
    }


def managed(**spec: Any) -> Json:
    return make_canary(backends=None, targetRef={"name": "web"}, **spec)


def look(*documents: Json | str, file: str = "canary.yaml", asked: bool = True, rps: float | None = None) -> Report:
    """What is found in one file with these documents, objects or texts."""
    texts = [each if isinstance(each, str) else yaml.safe_dump(each, sort_keys=False) for each in documents]
    return lint([Source(file, "---\n".join(texts).encode(), asked)], Traffic(rps))


def by_rule(report: Report) -> dict[str, Finding]:
    """The first finding of each rule."""
    return {finding.rule: finding for finding in reversed(report.findings)}


@pytest.fixture
def found() -> Callable[..., dict[str, Finding]]:
    """The findings of a Canary by rule; `rps` and the parts of the spec are overrides."""

    def find(*, rps: float | None = None, **overrides: Any) -> dict[str, Finding]:
        return by_rule(look(make_canary(**overrides), rps=rps))

    return find
