"""From a request to its answer, without any I/O of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from canary.metrics.prometheus.prometheus import PrometheusError
from canary.metrics.prometheus.question import Measured, Question, Unanswerable, Workload
from canary.smi_metrics import discovery, openapi
from canary.smi_metrics.accept import Form, form_of
from canary.smi_metrics.asked import Asked, asked
from canary.smi_metrics.bodies import Bodies
from canary.smi_metrics.cache import Busy
from canary.smi_metrics.kinds import BY_KIND, GROUP_PATH, PREFIX
from canary.smi_metrics.ports import Labels, Measurer
from canary.smi_metrics.refusal import RETRY_AFTER, Refusal, unavailable
from canary.smi_metrics.table import edge_table, table
from canary.smi_metrics.wire import Entry, edge_list, item, listing

PROBES = frozenset({"/healthz", "/livez", "/readyz"})
"""Paths that anybody may ask: the kubelet has no certificate."""
_JSON = "application/json"
_ENCODER = msgspec.json.Encoder()
_log = structlog.get_logger("canary.smi_metrics")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Handler:
    """Answers GET requests from what `measurer` measures, filtered by the objects' `labels`.

    `ready` says what is wrong with the server itself, and nothing when all is well. Prometheus is no part of that: an
    API that is unavailable as a whole holds up the deletion of namespaces, and a 503 of its own tells more.
    """

    def __init__(self, measurer: Measurer, labels: Labels, *, ready: Callable[[], str] = str) -> None:
        self._measurer = measurer
        self._labels = labels
        self._ready = ready
        self._bodies = Bodies()

    async def answer(self, method: str, path: str, query: Mapping[str, str], accept: str = "") -> Answer:
        """The answer to a request. `path` is decoded, and `query` has the first value of each name."""
        try:
            if method != "GET":
                raise Refusal(405, f"metrics are read with GET, not {method[:16]}")
            return await self._read(path if path == "/" else path.rstrip("/"), query, accept)
        except Refusal as refusal:
            return refused(refusal)
        except Exception:
            _log.exception("a request failed", path=path)
            return refused(Refusal(500, "an internal error; the log of canary smi-metrics has it"))

    async def _read(self, path: str, query: Mapping[str, str], accept: str) -> Answer:
        if path in PROBES:
            return self._probe(path)
        if path == "/apis" and form_of(accept, "discovery", "plain") == "discovery":
            return _json(discovery.aggregated(), discovery.AGGREGATED)
        document = _DOCUMENTS.get(path)
        if document is not None:
            if form_of(accept, "plain") is None:
                raise _not_acceptable(accept)
            return _json(document())
        return await self._metrics(asked(path, query), accept)

    def _probe(self, path: str) -> Answer:
        problem = self._ready() if path == "/readyz" else ""
        return Answer(503 if problem else 200, (problem or "ok").encode(), "text/plain")

    async def _metrics(self, asked: Asked, accept: str) -> Answer:
        form = form_of(accept, "table", "plain")
        if form is None:
            raise _not_acceptable(accept)
        if asked.edges:
            edges = await self._edges(asked)
            return _json(edge_table(edges, asked.seconds) if form == "table" else edge_list(asked, edges))
        names = (asked.name,) if asked.name else ()
        measured = await self._measure(Question(asked.served.kind, asked.seconds, asked.namespace, names))
        if asked.selector:
            wanted = await self._labels.matching(asked.served, asked.namespace, asked.selector)
            measured = [each for each in measured if (each.workload.namespace, each.workload.name) in wanted]
        key = (asked.path, asked.seconds, form)
        return Answer(200, self._bodies.body(key, measured, lambda: _ENCODER.encode(_plain(asked, measured, form))))

    async def _edges(self, asked: Asked) -> list[Entry]:
        """What others sent to the object, then what it sent to others."""
        kind, seconds, names = asked.served.kind, asked.seconds, (asked.name,)
        to_it = Question(kind, seconds, asked.namespace, names, edges=True)
        by_it = Question(kind, seconds, edges=True, peer_namespace=asked.namespace, peers=names)
        received, sent = await asyncio.gather(self._measure(to_it), self._measure(by_it))
        return [
            *(("from", each) for each in sorted(received, key=_order) if each.source and _is(each.workload, asked)),
            *(("to", each) for each in sorted(sent, key=_order) if each.source and _is(each.source, asked)),
        ]

    async def _measure(self, question: Question) -> Sequence[Measured]:
        try:
            return await self._measurer.measure(question)
        except Unanswerable as error:
            raise Refusal(404, str(error), kind=BY_KIND[question.kind].plural) from error
        except PrometheusError as error:
            if error.rejected:
                _log.error("Prometheus refused a query", error=str(error))
                raise Refusal(500, str(error)) from error
            raise unavailable(str(error)) from error
        except TimeoutError as error:
            raise unavailable("Prometheus did not answer in time") from error
        except Busy as error:
            raise Refusal(429, str(error), retry_after=RETRY_AFTER) from error


_DOCUMENTS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "/apis": discovery.groups,
    GROUP_PATH: discovery.group,
    PREFIX: discovery.resources,
    "/openapi/v2": openapi.version_2,
    "/openapi/v3": openapi.index,
    f"/openapi/v3{PREFIX}": openapi.version_3,
    "/version": discovery.version,
}


def refused(refusal: Refusal) -> Answer:
    """The Status of a refusal, with Retry-After and Allow where they belong."""
    headers = {}
    if refusal.retry_after:
        headers["Retry-After"] = str(refusal.retry_after)
    if refusal.code == 405:
        headers["Allow"] = "GET"
    return Answer(refusal.code, _ENCODER.encode(refusal.status()), headers=headers)


def _json(document: Any, content_type: str = _JSON) -> Answer:
    return Answer(200, _ENCODER.encode(document), content_type)


def _not_acceptable(accept: str) -> Refusal:
    return Refusal(406, f"only application/json is served, as objects or as a v1 Table, not {accept[:200]}")


def _plain(asked: Asked, measured: Sequence[Measured], form: Form) -> dict[str, Any]:
    """The document about workloads, in the order of their names. Raises `Refusal` where one is asked for and not found.

    Whoever measures may answer for more than was asked.
    """
    found = sorted((each for each in measured if _is(each.workload, asked)), key=_order)
    if asked.name and len(found) != 1:
        raise _no_single(asked, len(found))
    if form == "table":
        return table(found, asked.seconds)
    if asked.name:
        return item(found[0], asked.seconds)
    return listing(asked, (item(each, asked.seconds) for each in found))


def _is(workload: Workload, asked: Asked) -> bool:
    return asked.name in ("", workload.name) and asked.namespace in ("", workload.namespace)


def _no_single(asked: Asked, count: int) -> Refusal:
    where = f" in namespace {asked.namespace!r}" if asked.namespace else ""
    what = f"{asked.served.spelled.lower()} {asked.name!r}{where}"
    kind = asked.served.plural
    if count:
        return Refusal(500, f"{what} was measured {count} times", kind=kind, name=asked.name)
    message = f"no requests of {what} were measured in the last {asked.seconds} s"
    return Refusal(404, message, kind=kind, name=asked.name)


def _order(measured: Measured) -> tuple[str, ...]:
    source = measured.source
    own = (measured.workload.namespace, measured.workload.name)
    return (*own, source.namespace, source.name) if source is not None else own
