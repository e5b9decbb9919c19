"""The embedded API server answers as the real one does, request by request."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from canary.kube.client import Client
from canary.kube.transport import Transport
from e2e.conftest import HERE
from e2e.plane import Plane
from e2e.truth import builtin, managed, patches, reads, removal, writes
from e2e.truth.collecting import collecting
from e2e.truth.comparing import differences, fields
from e2e.truth.embedded import embedded, make_namespace
from e2e.truth.probe import Probe

Scenario = Callable[[Probe], Awaitable[None]]
SCENARIOS: tuple[Scenario, ...] = (
    *writes.SCENARIOS,
    *patches.SCENARIOS,
    *removal.SCENARIOS,
    *reads.SCENARIOS,
    *builtin.SCENARIOS,
    *managed.SCENARIOS,
)
_LISTED = tomllib.loads((HERE / "truth" / "differences.toml").read_text())["difference"]
# Scenario and answer to the parts of the answer that are known to differ.
KNOWN = {(entry["scenario"], entry["answer"]): frozenset(entry["fields"]) for entry in _LISTED}


@pytest.fixture(scope="module")
def collected(canaries: Plane) -> Iterator[Plane]:
    """The plane, once its garbage collector knows both custom resources."""
    with collecting(canaries) as plane:
        yield plane


@pytest.fixture
async def fake_server(namespace: str) -> AsyncIterator[Transport]:
    """A fresh embedded server with the same definitions and the same namespace."""
    async with embedded() as transport:
        await make_namespace(transport, namespace)
        yield transport


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_the_embedded_server_answers_as_the_real_one(
    collected: Plane, admin: Client, fake_server: Transport, namespace: str, scenario: Scenario
) -> None:
    ownership = scenario in patches.SCENARIOS
    real, fake = Probe(admin.transport, namespace, ownership), Probe(fake_server, namespace, ownership)
    await asyncio.gather(scenario(real), scenario(fake))
    assert [label for label, _ in fake.notes] == [label for label, _ in real.notes]
    different = [
        f"{label}\n" + "\n".join(differences(true, said))
        for (label, true), (_, said) in zip(real.notes, fake.notes, strict=True)
        if true != said and fields(true, said) != KNOWN.get((scenario.__name__, label))
    ]
    assert not different, f"{len(different)} of {len(real.notes)} answers differ\n\n" + "\n\n".join(different)
    apart = {label for (label, true), (_, said) in zip(real.notes, fake.notes, strict=True) if true != said}
    known = {label for name, label in KNOWN if name == scenario.__name__}
    assert not known - apart, "listed in differences.toml, but no longer different"


def test_few_differences_are_known_and_each_is_of_a_scenario_that_there_is() -> None:
    assert len(KNOWN) == len(_LISTED) <= 10
    assert {name for name, _ in KNOWN} <= {scenario.__name__ for scenario in SCENARIOS}
    assert all(entry["why"] for entry in _LISTED)
