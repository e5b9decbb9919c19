"""The embedded API server answers generated sequences of requests as the real one does.

A sequence is 5 to 15 operations on few objects of one or two kinds, drawn by a seed. A failure prints the smallest part
of its sequence that still differs, and the command that plays it again. `CANARY_SEQUENCES=FIRST:LAST` plays other
seeds, LAST not included; `CANARY_OPERATIONS=0,3` plays only those operations of each.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import pytest

from canary.kube.client import Client
from canary.kube.transport import Transport
from e2e.plane import Plane
from e2e.truth.collecting import collecting
from e2e.truth.comparing import apart
from e2e.truth.embedded import embedded, make_namespace
from e2e.truth.operations import SEQUENCES, Operation, operations
from e2e.truth.playing import Played, play
from e2e.truth.shrinking import shrunk

AT_ONCE = 8
SHOWN = 12
FILE = "e2e/test_fake_sequences.py"
Numbered = tuple[int, Operation]


@dataclass(slots=True)
class Pair:
    """A real server and the embedded one; each sequence has a namespace of its own on both."""

    real: Transport
    fake: Transport
    numbers: count[int]

    async def played(self, sequence: Sequence[Operation]) -> tuple[Played, Played]:
        namespace = f"sequence-{next(self.numbers)}"
        for transport in (self.real, self.fake):
            await make_namespace(transport, namespace)
        fake = await play(self.fake, namespace, sequence)
        return await play(self.real, namespace, sequence, fake.views), fake

    async def differs(self, numbered: Sequence[Numbered]) -> list[str]:
        real, fake = await self.played([operation for _, operation in numbered])
        return apart(real.notes, fake.notes)


@pytest.fixture(scope="module")
def collected(canaries: Plane) -> Iterator[Plane]:
    """The plane, once its garbage collector knows both custom resources."""
    with collecting(canaries) as plane:
        yield plane


@pytest.fixture
async def pair(collected: Plane, admin: Client) -> AsyncIterator[Pair]:
    # Nobody but the sequences may touch their Pods.
    collected.kubelet.stop()
    try:
        async with embedded() as fake:
            yield Pair(admin.transport, fake, count(1))
    finally:
        collected.kubelet.start()


@pytest.mark.timeout(3600, func_only=True)
async def test_generated_sequences_are_answered_alike(pair: Pair) -> None:
    first, last = _seeds()
    limit = asyncio.Semaphore(AT_ONCE)
    failed: dict[int, list[str]] = {}

    async def one(seed: int) -> None:
        sequence = _sequence(seed)
        async with limit:
            if sequence and (found := await pair.differs(sequence)):
                failed[seed] = found

    async with asyncio.TaskGroup() as tasks:
        for seed in range(first, last):
            tasks.create_task(one(seed))
    reports = [await _report(pair, seed, found) for seed, found in sorted(failed.items())[:SHOWN]]
    assert not failed, f"{len(failed)} of {last - first} sequences differ: {sorted(failed)}\n\n" + "\n\n".join(reports)


async def _report(pair: Pair, seed: int, found: list[str]) -> str:
    """The smallest part of a sequence that still differs; what was `found` if it does so no more."""

    async def fails(part: Sequence[Numbered]) -> bool:
        return bool(await pair.differs(part))

    sequence = _sequence(seed)
    if not await fails(sequence):
        return "\n".join((f"seed {seed}, once, and not when played again", *found))
    small = await shrunk(sequence, fails)
    numbers = ",".join(str(number) for number, _ in small)
    return "\n".join(
        (
            f"seed {seed}, {len(small)} of {len(sequence)} operations; again:",
            f"  CANARY_SEQUENCES={seed}:{seed + 1} CANARY_OPERATIONS={numbers} .venv/bin/python -m pytest {FILE}",
            *(await pair.differs(small) or found),
        )
    )


def _sequence(seed: int) -> list[Numbered]:
    chosen = os.environ.get("CANARY_OPERATIONS", "")
    kept = {int(word) for word in chosen.split(",")} if chosen else None
    return [(number, op) for number, op in enumerate(operations(seed)) if kept is None or number in kept]


def _seeds() -> tuple[int, int]:
    first, _, last = os.environ.get("CANARY_SEQUENCES", f"0:{SEQUENCES}").partition(":")
    return int(first), int(last)
