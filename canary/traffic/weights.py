"""Weights of a TrafficSplit: what we write, and what we read from splits that others wrote.

We write integers that sum to exactly 100 in every version. Other totals are legal in SMI, where weights are
proportional (https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-split/v1alpha4/traffic-split.md),
but Consul accepts no other sum, and a conversion between versions reads `1` beside `500m` as 1 : 500.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from canary.api.kinds import SplitBackend
from canary.api.quantity import parse_quantity
from canary.core.observed import Backend

WHOLE = 100


class InvalidWeights(ValueError):
    """Backends that must not be written: the message says which rule they break. A defect of the caller."""


class UnreadableWeights(ValueError):
    """The backends of an existing split say nothing that can be taken over; the message names the backend."""


def shares(stable: str, canary: str | None = None, weight: int = 0) -> tuple[Backend, ...]:
    """The backends for `weight` percent on `canary`, in the order that we write: canary first, stable last.

    An adapter that rounds gives the remainder to the last backend, which is thereby stable. Without a `canary`, stable
    is the only backend and has everything. Raises `InvalidWeights`.
    """
    if canary is None:
        backends: tuple[Backend, ...] = (Backend(stable, WHOLE - weight),)
    else:
        backends = (Backend(canary, weight), Backend(stable, WHOLE - weight))
    return checked(backends)


def checked(backends: tuple[Backend, ...]) -> tuple[Backend, ...]:
    """`backends` as they are. Raises `InvalidWeights` unless they are whole percentages that sum to 100."""
    services = [backend.service for backend in backends]
    if not all(services) or len(set(services)) < len(services):
        raise InvalidWeights(f"each backend needs a name of its own, not {services}")
    for backend in backends:
        # The encoder writes True as `true` and 10.0 as `10.0`: only plain integers are the same in every version.
        if type(backend.weight) is not int or not 0 <= backend.weight <= WHOLE:
            raise InvalidWeights(
                f"the weight of {backend.service} must be an integer from 0 to 100: {backend.weight!r}"
            )
    total = sum(backend.weight for backend in backends)
    if total != WHOLE:
        raise InvalidWeights(f"the weights of {', '.join(services) or 'no backend'} sum to {total} instead of 100")
    return backends


def read_weights(backends: Iterable[SplitBackend]) -> tuple[Backend, ...]:
    """The shares that an existing split gives, as integers that sum to 100 (largest remainder), in its order.

    Weights may be integers, decimals or Kubernetes quantities ("500m"); an absent one is 0. A Service that is listed
    twice has the sum. Raises `UnreadableWeights`, also when all weights are 0, since meshes then differ in what they
    do.
    """
    exact: dict[str, Fraction] = {}
    for backend in backends:
        if not backend.service:
            raise UnreadableWeights("a backend has no service")
        exact[backend.service] = exact.get(backend.service, Fraction(0)) + _weight(backend)
    total = sum(exact.values())
    if total <= 0:
        raise UnreadableWeights("all weights are 0" if exact else "there are no backends")
    rounded = _largest_remainder([weight * WHOLE / total for weight in exact.values()])
    return tuple(Backend(service, weight) for service, weight in zip(exact, rounded, strict=True))


def _weight(backend: SplitBackend) -> Fraction:
    if backend.weight is None:
        return Fraction(0)
    try:
        weight = Fraction(parse_quantity(backend.weight))
    except (ValueError, OverflowError) as error:
        raise UnreadableWeights(f"the weight of {backend.service} is no quantity: {backend.weight!r}") from error
    if weight < 0:
        raise UnreadableWeights(f"the weight of {backend.service} is negative: {backend.weight!r}")
    return weight


def _largest_remainder(shares: Sequence[Fraction]) -> list[int]:
    """Integers nearest to `shares` with the same sum; of equal remainders, the later one is rounded up."""
    floors = [int(share) for share in shares]
    missing = round(sum(shares)) - sum(floors)
    by_remainder = sorted(range(len(shares)), key=lambda index: (shares[index] - floors[index], index), reverse=True)
    for index in by_remainder[:missing]:
        floors[index] += 1
    return floors
