"""A run in words: what was written to a split, one line a write; and in one number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import msgspec

from canary.api.names import STATE_ANNOTATION
from canary.core.state import UnknownVersion, decode_state
from canary.sandbox.apiserver.commitlog import Commit


def story(commits: Iterable[Commit]) -> Iterator[str]:
    """One line for each write of a TrafficSplit: when, by whom, the weights, and what its state says."""
    for commit in commits:
        if commit.new is None:
            yield f"{commit.monotonic:8.2f} s  deleted by {commit.user_agent}"
            continue
        weights = " ".join(f"{b['service']}={b['weight']}" for b in commit.new["spec"]["backends"])
        text = (commit.new["metadata"].get("annotations") or {}).get(STATE_ANNOTATION)
        yield f"{commit.monotonic:8.2f} s  {commit.user_agent:14} {weights:32} {_said(text)}"


def _said(text: str | None) -> str:
    try:
        state = decode_state(text)
    except UnknownVersion:
        return "the state of a newer version"
    if state is None:
        return "no state"
    return f"{state.seq} {state.phase} step {state.step} {[said.reason for said in state.said]}"


def trace_of(commits: Iterable[Commit]) -> str:
    """A hash over every accepted write of whatever kind, to the last byte, in its order and at its moment."""
    whole = hashlib.sha256()
    for commit in commits:
        whole.update(msgspec.json.encode([commit.monotonic, commit.user_agent, commit.plural, commit.new]))
    return whole.hexdigest()[:16]
