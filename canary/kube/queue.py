"""The work queue of a controller, and the workers that empty it.

It holds keys, never objects: a worker reads the newest state when it starts. The rules are those of client-go's
workqueue and controller-runtime's priority queue:

- a key is queued at most once, and is never handed out while it is being processed; an add meanwhile marks it dirty,
  and it runs once more after `done`;
- two adds of one key merge into the earliest time and the highest priority: a later add never postpones;
- a run answers every add that came before it, delayed ones included;
- a higher priority is served first. Within a priority the namespaces take turns, and within a namespace the first in is
  the first out, so a key at place p waits for at most p keys of each other namespace.

Not for threads: every method runs in the thread of the event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from canary.kube.backoff import Backoff
from canary.kube.clock import Clock

# (namespace, name); the namespace of a cluster-scoped object is "".
Key = tuple[str, str]

# A timer may fire this early, in seconds: the rounding of adding and subtracting clock readings must not spin the loop.
_GRAIN = 1e-6
# Cancelled timers are swept when they outnumber the live ones and this many.
_SWEEP_FROM = 64

# Ready keys of one priority by namespace, each with the time since which it waits.
_Lane = OrderedDict[str, OrderedDict[Key, float]]
# A timer: deadline, a number that breaks ties first come first served, key, priority.
_Timer = tuple[float, int, Key, int]


class QueueClosed(Exception):
    """The queue was closed: there is no more work to get."""


def _ignore(key: Key, waited: float, worked: float) -> None: ...


class WorkQueue:
    """A queue of keys with delays, priorities and retries.

    `backoff` spaces the retries of one key. `on_done(key, waited, worked)` is called at every `done` with the seconds
    the key was ready before it was handed out, and the seconds it was processed.

    For metrics: `adds` counts how often a key became ready, `retries` calls of `retry`.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        rng: random.Random,
        backoff: Backoff | None = None,
        on_done: Callable[[Key, float, float], None] = _ignore,
    ) -> None:
        self.adds = 0
        self.retries = 0
        self._clock = clock
        self._rng = rng
        self._backoff = backoff or Backoff()
        self._on_done = on_done
        self._lanes: dict[int, _Lane] = {}
        self._ready: dict[Key, int] = {}
        self._delayed: dict[Key, _Timer] = {}
        self._heap: list[_Timer] = []
        self._ticket = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._running: dict[Key, tuple[float, float]] = {}
        self._dirty: dict[Key, int] = {}
        self._failures: dict[Key, int] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._drained = asyncio.Event()
        self._drained.set()

    @property
    def depth(self) -> int:
        """How many keys are ready."""
        return len(self._ready)

    @property
    def waiting(self) -> int:
        """How many keys have a timer."""
        return len(self._delayed)

    @property
    def running(self) -> int:
        """How many keys are being processed."""
        return len(self._running)

    @property
    def oldest_wait(self) -> float:
        """Seconds for which the longest waiting ready key has been ready; 0 when none is. Reads every ready key."""
        since = (time for lane in self._lanes.values() for keys in lane.values() for time in keys.values())
        now = self._clock.monotonic()
        return now - min(since, default=now)

    @property
    def longest_running(self) -> float:
        """Seconds since the longest running key was handed out; 0 when none is."""
        now = self._clock.monotonic()
        return now - min((started for started, _ in self._running.values()), default=now)

    def failures(self, key: Key) -> int:
        """How many times in a row `key` was retried."""
        return self._failures.get(key, 0)

    def add(self, key: Key, priority: int = 0) -> None:
        """Make `key` ready now. Nothing happens once the queue is closed."""
        if self._closed:
            return
        if key in self._running:
            dirty = self._dirty.get(key)
            if dirty is None or priority > dirty:
                self._dirty[key] = priority
            return
        timer = self._delayed.pop(key, None)
        if timer is not None and timer[3] > priority:
            priority = timer[3]
        before = self._ready.get(key)
        if before is None:
            self.adds += 1
            self._insert(key, priority, self._clock.monotonic())
            self._wake()
        elif priority > before:
            self._insert(key, priority, self._take(key, before))

    def add_after(self, key: Key, delay: float, priority: int = 0) -> None:
        """Make `key` ready in `delay` seconds, or sooner if it has an earlier timer; at once if `delay` <= 0.

        Raises `ValueError` for a delay that is no number or infinite.
        """
        if not math.isfinite(delay):
            raise ValueError(f"a delay must be a finite number of seconds, not {delay}")
        if self._closed:
            return
        if delay <= 0 or key in self._ready:
            self.add(key, priority)
            return
        deadline = self._clock.monotonic() + delay
        timer = self._delayed.get(key)
        if timer is not None:
            if timer[0] <= deadline and timer[3] >= priority:
                return
            deadline, priority = min(timer[0], deadline), max(timer[3], priority)
        self._ticket += 1
        timer = (deadline, self._ticket, key, priority)
        self._delayed[key] = timer
        heapq.heappush(self._heap, timer)
        self._sweep()
        if self._heap[0] is timer:
            self._arm()

    def retry(self, key: Key, priority: int = 0) -> float:
        """Make `key` ready again after the backoff of its failures so far plus this one; the backoff in seconds."""
        self.retries += 1
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        delay = self._backoff.delay(failures, self._rng)
        self.add_after(key, delay, priority)
        return delay

    def forget(self, key: Key) -> None:
        """Let the next failure of `key` count as its first."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """The next key, which is then being processed until `done`. Raises `QueueClosed` once the queue is closed."""
        while not self._ready:
            if self._closed:
                raise QueueClosed
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if not waiter.cancelled() and self._ready:
                    # The wake-up came together with the cancellation: hand it on, or a key waits with idle workers.
                    self._wake()
                with suppress(ValueError):
                    self._waiters.remove(waiter)
                raise
        return self._hand_out()

    def done(self, key: Key) -> None:
        """End the processing of `key`, which is ready again if it was added meanwhile. `KeyError`: it does not run."""
        started, waited = self._running.pop(key)
        priority = self._dirty.pop(key, None)
        if priority is not None and not self._closed:
            self.add(key, priority)
        if not self._running and self._closed:
            self._drained.set()
        self._on_done(key, waited, self._clock.monotonic() - started)

    def close(self) -> None:
        """Take nothing more, drop what is ready or delayed, and end every `get`. Running keys run to their end."""
        self._closed = True
        self._lanes.clear()
        self._ready.clear()
        self._delayed.clear()
        self._heap.clear()
        self._dirty.clear()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._waiters:
            self._wake()
        if self._running:
            self._drained.clear()

    async def drain(self) -> None:
        """Close, and return when no key is running. The caller bounds the time."""
        self.close()
        await self._drained.wait()

    def _insert(self, key: Key, priority: int, since: float) -> None:
        self._ready[key] = priority
        lane = self._lanes.get(priority)
        if lane is None:
            lane = self._lanes[priority] = OrderedDict()
        keys = lane.get(key[0])
        if keys is None:
            keys = lane[key[0]] = OrderedDict()
        keys[key] = since

    def _take(self, key: Key, priority: int) -> float:
        """Remove a ready key; since when it waited."""
        lane = self._lanes[priority]
        keys = lane[key[0]]
        since = keys.pop(key)
        if not keys:
            del lane[key[0]]
            if not lane:
                del self._lanes[priority]
        return since

    def _hand_out(self) -> Key:
        priority = max(self._lanes)
        lane = self._lanes[priority]
        namespace, keys = next(iter(lane.items()))
        key, since = keys.popitem(last=False)
        if keys:
            lane.move_to_end(namespace)
        else:
            del lane[namespace]
            if not lane:
                del self._lanes[priority]
        del self._ready[key]
        now = self._clock.monotonic()
        self._running[key] = (now, now - since)
        return key

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _arm(self) -> None:
        """Set the one alarm to the first timer."""
        if self._alarm is not None:
            self._alarm.cancel()
        delay = max(0.0, self._heap[0][0] - self._clock.monotonic())
        self._alarm = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        due = self._clock.monotonic() + _GRAIN
        while self._heap and (self._heap[0][0] <= due or self._delayed.get(self._heap[0][2]) is not self._heap[0]):
            timer = heapq.heappop(self._heap)
            if self._delayed.get(timer[2]) is timer:
                self.add(timer[2], timer[3])
                # Of a running key the add above only marked it dirty.
                self._delayed.pop(timer[2], None)
        if self._heap:
            self._arm()

    def _sweep(self) -> None:
        if len(self._heap) > _SWEEP_FROM + 2 * len(self._delayed):
            self._heap = list(self._delayed.values())
            heapq.heapify(self._heap)


# Seconds until the key is to run again, or `None`: when something happens to it.
Outcome = float | None
Reconcile = Callable[[Key], Awaitable[Outcome]]


class Cancelled(Exception):
    """A reconcile ended by a cancellation that nobody asked of its worker."""


class Workers:
    """`count` workers that call `reconcile` for the keys of `queue`, each at most `timeout` seconds.

    What a reconcile raises, whatever it is, is counted, given to `on_error(key, error, delay)` and retried after
    `delay` seconds. The counters `succeeded`, `failed` and `timed_out` are for metrics.
    """

    def __init__(
        self,
        queue: WorkQueue,
        reconcile: Reconcile,
        *,
        count: int,
        timeout: float,
        on_error: Callable[[Key, Exception, float], None],
    ) -> None:
        self.succeeded = 0
        self.failed = 0
        self.timed_out = 0
        self._queue = queue
        self._reconcile = reconcile
        self._count = count
        self._timeout = timeout
        self._on_error = on_error

    async def run(self) -> None:
        """Work until the queue is closed and drained. Raises what a worker died of, after stopping the others."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._count):
                group.create_task(self._work(), name=f"worker-{number}")

    async def _work(self) -> None:
        while True:
            try:
                key = await self._queue.get()
            except QueueClosed:
                return
            try:
                await self._process(key)
            finally:
                self._queue.done(key)

    async def _process(self, key: Key) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                outcome = await self._reconcile(key)
            if outcome is not None:
                self._queue.add_after(key, outcome)
            self._queue.forget(key)
        except asyncio.CancelledError as error:
            # A task group takes a cancelled worker for one that was meant to end: a stray one must not count as such.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            stray = Cancelled("the reconcile was cancelled from inside")
            stray.__cause__ = error
            self._fail(key, stray)
        except TimeoutError as error:
            self.timed_out += 1
            self._fail(key, error)
        except Exception as error:
            self._fail(key, error)
        else:
            self.succeeded += 1

    def _fail(self, key: Key, error: Exception) -> None:
        self.failed += 1
        self._on_error(key, error, self._queue.retry(key))


async def run_workers(
    queue: WorkQueue,
    reconcile: Reconcile,
    count: int,
    *,
    timeout: float,
    on_error: Callable[[Key, Exception, float], None],
) -> None:
    """`Workers(...).run()`, for those who need no counters."""
    await Workers(queue, reconcile, count=count, timeout=timeout, on_error=on_error).run()
