"""Asks the SMI Traffic Metrics API through the API server's aggregation layer."""

from __future__ import annotations

import asyncio

from canary.api.duration import format_duration
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.errors import ApiError, Forbidden, KubeError, NotFound, Unreachable
from canary.kube.transport import MAX_BODY
from canary.metrics.smi import LatencyUnit, parse, parse_edges
from canary.metrics.source import Answer, Asked, SourceError

API = "/apis/metrics.smi-spec.io/v1alpha1"

_PLURALS = {
    "deployment": "deployments",
    "statefulset": "statefulsets",
    "daemonset": "daemonsets",
    "pod": "pods",
    "service": "services",
}


class SmiSource:
    """`latency_unit` is the administrator's word on what the servers of this cluster mean by their unit."""

    def __init__(self, client: Client, *, clock: Clock, latency_unit: LatencyUnit = "Auto") -> None:
        self._client = client
        self._clock = clock
        self._latency_unit = latency_unit

    async def read(self, asked: Asked, *, timeout: float) -> Answer:
        """One list call, not repeated when it fails. Raises `SourceError`."""
        plural = _PLURALS[(asked.peer or asked).kind.casefold()]
        path = f"{API}/namespaces/{asked.namespace}/{plural}"
        try:
            # The transport's timeout may start anew with each piece of a body that trickles in; this one does not.
            async with asyncio.timeout(timeout):
                answer = await self._client.fetch(
                    f"{path}/{asked.peer.name}/edges" if asked.peer else path,
                    query={"t": f"{asked.seconds}s"},
                    timeout=timeout,
                    max_body=MAX_BODY,
                    attempts=1,
                )
        except TimeoutError as error:
            raise SourceError(f"the metrics API did not answer within {format_duration(timeout)}") from error
        except KubeError as error:
            raise SourceError(in_words(error, plural, edges=asked.peer is not None)) from error
        # Its age is told by the server's own clock where there is one: ours may be wrong by hours.
        now = answer.served_at or self._clock.now()
        read = parse_edges if asked.peer else parse
        unit = self._latency_unit
        return Answer(read(answer.body, window=asked.seconds, now=now.timestamp(), latency_unit=unit))


def in_words(error: KubeError, plural: str, *, edges: bool = False) -> str:
    """The sentence for a failed call, with what to look at where the cause is known."""
    if not isinstance(error, ApiError):
        verb = "cannot be reached" if isinstance(error, Unreachable) else "did not answer in full"
        return f"the metrics API {verb}: {error}"
    said = error.message.strip()
    if said.startswith("<"):
        said = "an HTML page"
    words = f"the metrics API answered {error.code}" + (f": {said[:200]}" if said else "")
    if isinstance(error, NotFound):
        return f"{words}; does an APIService for metrics.smi-spec.io exist, and does it serve {plural}?"
    if isinstance(error, Forbidden):
        right = f"get on {plural}/edges" if edges else f"list on {plural}"
        return f"{words}; the controller needs the verb {right} of metrics.smi-spec.io"
    return words
