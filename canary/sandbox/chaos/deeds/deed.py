"""What a deed is."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from canary.sandbox.chaos.world import World

Doing = Callable[[World, random.Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Deed:
    """`weight` is how often it is drawn among others; a `harmless` one must not change how a rollout ends."""

    weight: int
    do: Doing
    harmless: bool = False
