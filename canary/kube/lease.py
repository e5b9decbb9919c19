"""Leader election on a Lease: at most one of several replicas works, and another takes over when it stops.

The rules are client-go's (package leaderelection), on monotonic clocks alone. The holder leads for `renew_deadline`
seconds from the *start* of its last successful request. A candidate takes over when, by its own clock, the record has
not changed for `duration` seconds since it *received* it, by an update that the record's resourceVersion guards. The
times in the record are for people; nobody compares them.

Bound: the record that a candidate replaces is the holder's last one, received after that request started. With clocks
that run at rates h (holder) and c (candidate), two replicas both lead for at most `renew_deadline / h - duration / c`
true seconds; that is never while c / h <= duration / renew_deadline, which is 1.5 with the defaults. It does not hold
when a Lease in use is deleted by hand and a replica that never saw one creates it, when somebody makes its record look
released or never held, and on a machine whose monotonic clock stops while it is suspended. Creating is guarded by
nothing: a create may land long after it was decided, on the place of a Lease that others held and somebody deleted.
Hence a record that this process created is waited for like a foreign one, unless it led all the time or never saw one.
A stopped leader's request may still be under way when the next one leads, so that writes need guards of their own.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from canary.kube.backoff import jittered
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.errors import Conflict, NotFound
from canary.kube.resources import LEASES

# The spread of the retry period, either way.
_SPREAD = 0.2
# How many of the latest renew times are remembered, to know this process' own record after an ambiguous write.
_CLAIMS = 32
_RELEASE_ATTEMPTS = 3

_Lease = dict[str, Any]
Callback = Callable[[], Coroutine[Any, Any, None]]


def micro_time(moment: datetime) -> str:
    """A MicroTime of the Kubernetes API: RFC 3339 in UTC with microseconds. `moment` must know its zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Seconds: a candidate waits `duration`, the holder gives up after `renew_deadline`, both try every `retry`."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not self.duration > self.renew_deadline > self.retry * (1 + _SPREAD) > 0:
            raise ValueError(f"need duration > renew_deadline > {1 + _SPREAD} x retry > 0, not {self}")

    @property
    def request(self) -> float:
        """The longest time of one request: two fit into the renew deadline."""
        return self.renew_deadline / 2


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


def _spec(lease: _Lease) -> _Spec:
    return msgspec.convert(lease.get("spec") or {}, _Spec)


# What a candidate compares: holder, renew time, transitions, resourceVersion; `None` when there is no Lease.
_Mark = tuple[str | None, str | None, int | None, str] | None


def _mark(lease: _Lease | None) -> _Mark:
    if lease is None:
        return None
    spec = _spec(lease)
    version = lease["metadata"].get("resourceVersion", "")
    return (spec.holder_identity, spec.renew_time, spec.lease_transitions, version)


def _ignore(error: Exception) -> None: ...


class LeaseElector:
    """One candidate for the Lease `namespace/name`.

    `identity` must be unique to this process, across restarts too. `on_error` hears of every request that failed; the
    elector goes on. `terms` counts how often this process became the leader.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str,
        clock: Clock,
        rng: random.Random,
        timing: LeaseTiming | None = None,
        on_error: Callable[[Exception], None] = _ignore,
    ) -> None:
        if not identity:
            raise ValueError("an empty identity is the mark of a released Lease; pass a unique one")
        self.identity = identity
        self.terms = 0
        self._client = client
        self._namespace = namespace
        self._name = name
        self._clock = clock
        self._rng = rng
        self._timing = timing or LeaseTiming()
        self._on_error = on_error
        self._renewed_at: float | None = None
        self._lease: _Lease = {}
        self._claims: deque[str] = deque(maxlen=_CLAIMS)
        self._seen = False
        self._known = False
        self._mark: _Mark = None
        self._free_at = 0.0

    @property
    def is_leader(self) -> bool:
        """Whether this process leads at this moment, computed from the clock: true of no past, even in a stuck task."""
        return self._remaining() > 0

    @property
    def holder(self) -> str:
        """Who held the Lease when it was last read or written; empty when nobody did or it was never read."""
        return (self._mark and self._mark[0]) or ""

    async def verify(self) -> bool:
        """Read the Lease now; whether this process holds it and leads. A foreign holder ends the term at once.

        Raises `KubeError` or `TimeoutError` when it cannot be read: then nothing is known.
        """
        lease = await self._read()
        if lease is None or _spec(lease).holder_identity != self.identity:
            self._renewed_at = None
        return self.is_leader

    async def run(self, on_started: Callback, on_stopped: Callback) -> None:
        """Stand by, lead, lose, stand by again, until cancelled; then release the Lease.

        Each term runs `on_started`, cancels it when the term ends before it does, and then runs `on_stopped` to its
        end. A term that is lost releases nothing. An error of `on_started` comes out in an `ExceptionGroup`.
        """
        try:
            while True:
                await self._acquire()
                self.terms += 1
                try:
                    async with asyncio.TaskGroup() as group:
                        work = group.create_task(on_started(), name="leading")
                        await self._hold()
                        work.cancel()
                finally:
                    await on_stopped()
        finally:
            self._renewed_at = None
            await self._release()

    def _remaining(self) -> float:
        if self._renewed_at is None:
            return 0.0
        return self._renewed_at + self._timing.renew_deadline - self._clock.monotonic()

    async def _acquire(self) -> None:
        while True:
            try:
                if await self._try():
                    return
            except Exception as error:
                # Nothing that a request raises may end the candidacy.
                self._on_error(error)
            await self._clock.sleep(jittered(self._timing.retry, self._rng, _SPREAD))

    async def _try(self) -> bool:
        lease = await self._read()
        if self._clock.monotonic() < self._free_at:
            return False
        first = not self._known
        started = await self._write(lease, self._timing.request)
        if lease is not None or first:
            self._renewed_at = started
        return self.is_leader

    async def _hold(self) -> None:
        """Renew until the term is over."""
        while (remaining := self._remaining()) > 0:
            # The lower bound keeps rounding from turning the last instant into a loop without time.
            pause = min(jittered(self._timing.retry, self._rng, _SPREAD), max(remaining, 0.001))
            await self._clock.sleep(pause)
            if not self.is_leader:
                return
            try:
                await self._renew()
            except Exception as error:
                self._on_error(error)

    async def _renew(self) -> None:
        try:
            started = await self._write(self._lease, self._budget())
        except (Conflict, NotFound):
            lease = await self._read()
            if lease is not None and _spec(lease).holder_identity != self.identity:
                self._renewed_at = None
            if not self.is_leader:
                return
            started = await self._write(lease, self._budget())
        # A term that ended while the answer was under way stays ended: whoever looked has stopped.
        if self.is_leader:
            self._renewed_at = started

    def _budget(self) -> float:
        """Seconds for the next request of the holder."""
        return max(min(self._timing.request, self._remaining()), 0.001)

    async def _read(self) -> _Lease | None:
        timeout = self._timing.request
        try:
            async with asyncio.timeout(timeout):
                lease = await self._client.get(LEASES, self._name, self._namespace, timeout=timeout, attempts=1)
        except NotFound:
            self._observe(None)
            return None
        self._observe(lease)
        return lease

    def _observe(self, lease: _Lease | None) -> None:
        """Start the wait anew when the record is not the one that was seen before."""
        mark = _mark(lease)
        if self._seen and mark == self._mark:
            return
        patience = self._patience(lease)
        self._seen, self._mark = True, mark
        self._known = self._known or lease is not None
        self._free_at = self._clock.monotonic() + patience

    def _patience(self, lease: _Lease | None) -> float:
        """Seconds for which a record must stay unchanged before this process may replace it.

        The record's own duration counts when it is longer: LeaseSpec says that it is what candidates wait.
        """
        if lease is None:
            # The holder of a deleted Lease leads on for a while; where none was ever seen, this is the first start.
            return self._timing.duration if self._known else 0.0
        spec = _spec(lease)
        duration = spec.lease_duration_seconds or 0
        if self._is_own(spec):
            return 0.0
        if not spec.holder_identity and (not spec.renew_time or 0 < duration <= 1):
            return 0.0
        return max(self._timing.duration, float(duration))

    def _is_own(self, spec: _Spec) -> bool:
        """Whether this process wrote the record on top of one that it was free to replace, and not somebody by hand."""
        return spec.holder_identity == self.identity and spec.renew_time in self._claims

    async def _write(self, lease: _Lease | None, timeout: float) -> float:
        """Claim the Lease that was read, or create it; the time at which the request started."""
        stamp = micro_time(self._clock.now())
        old = (self._lease if lease is None else lease).get("spec") or {}
        spec = {**old, "holderIdentity": self.identity, "renewTime": stamp}
        spec["leaseDurationSeconds"] = math.ceil(self._timing.duration)
        if old.get("holderIdentity") != self.identity:
            spec["acquireTime"] = stamp
            spec["leaseTransitions"] = (old.get("leaseTransitions") or 0) + 1 if old else 0
        first = not self._known
        if lease is not None:
            # Before it is sent: an update that seems to fail may have been executed.
            self._claims.append(stamp)
        started = self._clock.monotonic()
        self._lease = await self._send(lease, spec, timeout)
        if lease is None and (first or self.is_leader):
            self._claims.append(stamp)
        self._observe(self._lease)
        return started

    async def _send(self, lease: _Lease | None, spec: dict[str, Any], timeout: float) -> _Lease:
        body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "spec": spec}
        async with asyncio.timeout(timeout):
            if lease is None:
                body["metadata"] = {"name": self._name, "namespace": self._namespace}
                return await self._client.create(LEASES, body, self._namespace, timeout=timeout)
            # The resourceVersion in the metadata makes it a compare-and-swap.
            body["metadata"] = {key: value for key, value in lease["metadata"].items() if key != "managedFields"}
            return await self._client.replace(LEASES, self._name, body, self._namespace, timeout=timeout)

    async def _release(self) -> None:
        """Say that the Lease is free, if this process may hold it: another then need not wait for its end."""
        if not self._claims:
            return
        try:
            async with asyncio.timeout(self._timing.request):
                for _ in range(_RELEASE_ATTEMPTS):
                    if await self._release_once():
                        return
        except Exception as error:
            # The Lease runs out by itself.
            self._on_error(error)

    async def _release_once(self) -> bool:
        """Whether it is settled: released, or not ours."""
        lease = await self._read()
        if lease is None or not self._is_own(_spec(lease)):
            return True
        spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        spec["renewTime"] = micro_time(self._clock.now())
        try:
            await self._send(lease, spec, self._timing.request)
        except Conflict:
            return False
        return True
