"""What the API server needs of the world: somebody who measures, and somebody who knows labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from canary.metrics.prometheus.question import Measured, Question
from canary.smi_metrics.kinds import Served


class Measurer(Protocol):
    async def measure(self, question: Question) -> Sequence[Measured]:
        """What a mesh has measured; nothing for what it does not know.

        Raises `PrometheusError`, and `Unanswerable` for what its pack has no numbers of.
        """
        ...


class Labels(Protocol):
    async def matching(self, served: Served, namespace: str, selector: str) -> frozenset[tuple[str, str]]:
        """Namespace (empty for a namespace itself) and name of the objects that a label selector selects.

        An empty `namespace` means all of them. Raises `Refusal`.
        """
        ...
