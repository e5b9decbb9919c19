"""Advice on waiting for a rollout: how long it takes, and which timeout a GitOps tool needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from canary.api.duration import parse_duration
from canary.api.names import GROUP, KIND
from canary.lint.case import Case
from canary.lint.finding import Finding
from canary.lint.subject import Subject
from canary.lint.words import lasting

_FLUX = "kustomize.toolkit.fluxcd.io"
# Source: kustomize-controller, Kustomization API, GetTimeout.
_LESS, _LEAST = 30.0, 30.0


def wait_advice(case: Case) -> Iterator[Finding]:
    """How long, and whether anything starts at all."""
    table = case.table
    apart = f", and the time until approval {' and '.join(table.approvals)}" if table.approvals else ""
    words = (
        f"a rollout takes {lasting(table.least)} at best; a wait for it needs a timeout of {lasting(table.timeout)}"
        f"{apart} (Flux spec.timeout, helm --wait --timeout, kubectl wait --timeout; "
        f"argocd app wait --timeout {table.timeout:.0f})"
    )
    yield case.subject.finding("duration", case.start, words, at_name=True)
    if case.plan.suspend:
        yield case.subject.finding("suspended", "spec.suspend", "no rollout starts, and none goes on")


def is_kustomization(value: Mapping[str, Any]) -> bool:
    """Whether it is a Kustomization of Flux."""
    version = value.get("apiVersion")
    group = version.partition("/")[0] if isinstance(version, str) else ""
    return group == _FLUX and value.get("kind") == "Kustomization" and isinstance(value.get("spec"), Mapping)


def timeout_advice(subject: Subject, cases: list[Case]) -> Iterator[Finding]:
    """A Kustomization of Flux that names one of the Canaries among its health checks, and waits too short for it."""
    spec = subject.value["spec"]
    checks = spec.get("healthChecks")
    found = _patience(spec)
    if found is None or not isinstance(checks, list) or spec.get("wait") is True or spec.get("healthCheckExprs"):
        return
    field, patience = found
    for check in checks:
        for case in cases:
            if isinstance(check, Mapping) and _names(check, case) and patience < case.table.timeout:
                words = (
                    f"{lasting(patience)} are too short for Canary {case.subject.name}, "
                    f"which needs {lasting(case.table.timeout)}"
                )
                yield subject.finding("short-timeout", field, words)


def _names(check: Mapping[str, Any], case: Case) -> bool:
    metadata = case.subject.value["metadata"]
    version = str(check.get("apiVersion")).partition("/")[0]
    same = check.get("kind") == KIND and version == GROUP and check.get("name") == metadata.get("name")
    return same and check.get("namespace") == metadata.get("namespace", check.get("namespace"))


def _patience(spec: Mapping[str, Any]) -> tuple[str, float] | None:
    for field, less in (("timeout", 0.0), ("interval", _LESS)):
        try:
            return f"spec.{field}", max(parse_duration(str(spec[field])) - less, _LEAST if less else 0.0)
        except (KeyError, ValueError):
            continue
    return None
