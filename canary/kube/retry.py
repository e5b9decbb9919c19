"""When a read is sent again, and after how long. A write is never sent again from here: only its caller knows whether
it still wants it.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from canary.kube.backoff import Backoff
from canary.kube.clock import Clock
from canary.kube.errors import Ambiguous, ApiError, ServerError, Throttled, Unreachable
from canary.kube.transport import http_date

T = TypeVar("T")

LONGEST_DELAY = 30.0
"""Seconds that no server can make us wait longer than."""
BETWEEN_READS = Backoff(base=0.3, cap=LONGEST_DELAY)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for, within 0 … 30; `None` without a header that can be read.

    A date is compared with the server's own Date where it sends one, so that clock skew does not matter (RFC 9110,
    10.2.3).
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(int(value))
    except ValueError:
        until = http_date(value)
        if until is None:
            return None
        seconds = (until - (http_date(headers.get("date", "")) or now)).total_seconds()
    except OverflowError:
        seconds = LONGEST_DELAY
    return min(max(seconds, 0.0), LONGEST_DELAY)


def may_pass(error: BaseException) -> bool:
    """Whether the same read may succeed a little later."""
    return isinstance(error, (Unreachable, Ambiguous, Throttled, ServerError))


def asked_for(error: BaseException | None) -> float:
    """Seconds for which the server asked to be left alone, 0 if it did not."""
    return (error.retry_after or 0.0) if isinstance(error, ApiError) else 0.0


def delay(attempt: int, error: BaseException | None, rng: random.Random) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1): the larger of backoff and Retry-After."""
    return max(BETWEEN_READS.delay(attempt, rng), asked_for(error))


async def read(call: Callable[[], Awaitable[T]], *, attempts: int, clock: Clock, rng: random.Random) -> T:
    """Await `call()` up to `attempts` times while its error may pass; the last error is raised as it is."""
    if attempts == 1:
        return await call()

    def wait(state: RetryCallState) -> float:
        return delay(state.attempt_number, state.outcome.exception() if state.outcome else None, rng)

    retrying = AsyncRetrying(
        sleep=clock.sleep,
        stop=stop_after_attempt(attempts),
        wait=wait,
        retry=retry_if_exception(may_pass),
        reraise=True,
    )
    return await retrying(call)
