"""What goes wrong on purpose: rules that match requests, and what becomes of those that match.

    server.faults.add(Answer(429, retry_after=2), verb="update", resource="trafficsplits", times=3)
    server.faults.add(LoseAnswer(), verb="update", name="podinfo", skip=1, times=1)

The faces of the server (`canary.sandbox.apiserver.direct`, `canary.sandbox.apiserver.http`) act on them alike.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from canary.kube.transport import Response
from canary.sandbox.apiserver.request import Request, Target, parse_target, verb_of
from canary.sandbox.apiserver.status import Refused

Change = Callable[[bytes], bytes]


def _as_it_is(body: bytes) -> bytes:
    return body


@dataclass(frozen=True, slots=True)
class Answer:
    """An error instead of the execution. `retry_after` is the text or number of a Retry-After header."""

    code: int
    reason: str = ""
    message: str = "a fault was injected"
    retry_after: float | str | None = None

    def response(self) -> Response:
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        return Refused(self.code, self.reason or _REASONS.get(self.code, ""), self.message, None, headers).response()


_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(frozen=True, slots=True)
class Raw:
    """Any answer instead of the execution: HTML from a proxy, a torn body."""

    status: int
    body: bytes
    content_type: str = "text/html"

    def response(self) -> Response:
        return Response(self.status, self.body, {"content-type": self.content_type})


@dataclass(frozen=True, slots=True)
class Refuse:
    """The connection cannot be made. Over HTTP, where it stands already, it is reset before the execution."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection breaks before the execution; the client cannot know that."""


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """The request is executed, then the connection breaks."""


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer ever comes; `executed` says whether the request takes effect."""

    executed: bool = False


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds before and after the execution. A request whose client gave up meanwhile still takes effect."""

    before: float = 0.0
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Cut:
    """A watch breaks off after `lines` lines, or after `seconds` when that comes first; `torn`: in mid-line."""

    lines: int | None = None
    seconds: float | None = None
    torn: bool = False


@dataclass(frozen=True, slots=True)
class Silence:
    """A watch stays open after `lines` lines but tells nothing more: a half-open connection."""

    lines: int = 0


@dataclass(frozen=True, slots=True)
class Expire:
    """A watch says 410 in an ERROR event after `lines` lines. For 410 as HTTP status use `Answer`."""

    lines: int = 0


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A watch tells everything twice."""


@dataclass(frozen=True, slots=True)
class Stale:
    """A list shows the state of up to `versions` resourceVersions ago, but never one that ended over `seconds` ago.

    A real API server shows the past only to who asks for it (Kubernetes API concepts, "Resource versions"); this one
    shows it to everybody.
    """

    versions: int
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What is sent (`request`), or comes back with status 200 (`answer`), is changed on the way: a webhook, a bug."""

    name: str
    request: Change = _as_it_is
    answer: Change = _as_it_is

    def __str__(self) -> str:
        return f"Rewrite({self.name})"


Effect = Answer | Raw | Refuse | Drop | LoseAnswer | Hang | Delay | Cut | Silence | Expire | Duplicate | Stale | Rewrite
_OF_WATCHES = (Cut, Silence, Expire, Duplicate)


@dataclass(slots=True, eq=False)
class Rule:
    """Which requests an effect meets. Empty fields match everything; `verb` may name several, split by commas.

    Of the requests that match, the first `skip` pass, then `times` are met (`None`: all), each with `probability`.
    `matched` and `fired` count.
    """

    effect: Effect
    verb: str = ""
    resource: str = ""
    subresource: str | None = None
    namespace: str = ""
    name: str = ""
    user_agent: str = ""
    group: str | None = None
    skip: int = 0
    times: int | None = None
    probability: float = 1.0
    matched: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)

    def matches(self, request: Request, target: Target, verb: str) -> bool:
        wanted = (
            (self.resource, target.plural),
            (self.namespace, target.namespace),
            (self.name, target.name),
        )
        return (
            (not self.verb or verb in self.verb.split(","))
            and (self.subresource is None or self.subresource == target.subresource)
            and (self.group is None or self.group == target.group)
            and all(not want or want == found for want, found in wanted)
            and request.user_agent.startswith(self.user_agent)
        )


_NO_TARGET = Target("", "", "")


class Faults:
    """The rules in force, the earliest first; a request meets at most one of them, and a list also a `Stale` one.

    `fired` counts by the kind of effect.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.rules: list[Rule] = []
        self.fired: Counter[str] = Counter()

    def add(
        self,
        effect: Effect,
        *,
        verb: str = "",
        resource: str = "",
        subresource: str | None = None,
        namespace: str = "",
        name: str = "",
        user_agent: str = "",
        group: str | None = None,
        skip: int = 0,
        times: int | None = None,
        probability: float = 1.0,
    ) -> Rule:
        """Put a rule in force; see `Rule`."""
        if not verb and isinstance(effect, _OF_WATCHES):
            verb = "watch"
        if not verb and isinstance(effect, Stale):
            verb = "list"
        rule = Rule(effect, verb, resource, subresource, namespace, name, user_agent, group, skip, times, probability)
        self.rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        """Take a rule out of force; one that is not in force is let be."""
        if rule in self.rules:
            self.rules.remove(rule)

    def clear(self) -> None:
        self.rules.clear()

    def take(self, request: Request) -> Effect | None:
        """The effect that `request` meets on its way, which counts as met."""
        return self._take(request, stale=False) if self.rules else None

    def take_staleness(self, request: Request) -> Stale | None:
        """How old the answer to a list shall be."""
        effect = self._take(request, stale=True) if self.rules else None
        return effect if isinstance(effect, Stale) else None

    def _take(self, request: Request, *, stale: bool) -> Effect | None:
        target = parse_target(request.path)
        verb = verb_of(request, target) if target is not None else request.method.lower()
        for rule in tuple(self.rules):
            of_this_sort = isinstance(rule.effect, Stale) is stale
            if of_this_sort and rule.matches(request, target or _NO_TARGET, verb) and self._fires(rule):
                return rule.effect
        return None

    def _fires(self, rule: Rule) -> bool:
        rule.matched += 1
        if rule.matched <= rule.skip or (rule.times is not None and rule.fired >= rule.times):
            return False
        if rule.probability < 1.0 and self._rng.random() >= rule.probability:
            return False
        rule.fired += 1
        self.fired[type(rule.effect).__name__] += 1
        return True
