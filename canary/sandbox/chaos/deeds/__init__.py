"""Everything that can be done to a run, by name: what programs and people do, and what fails around them."""

from __future__ import annotations

from canary.sandbox.chaos.deeds import api, managed, metrics, people, processes, traffic, workloads
from canary.sandbox.chaos.deeds.deed import Deed

DEEDS: dict[str, Deed] = {
    **processes.DEEDS,
    **api.DEEDS,
    **metrics.DEEDS,
    **traffic.DEEDS,
    **workloads.DEEDS,
    **people.DEEDS,
}

MANAGED_DEEDS: dict[str, Deed] = {
    **processes.DEEDS,
    **api.DEEDS,
    **metrics.DEEDS,
    **traffic.DEEDS,
    **{name: deed for name, deed in people.DEEDS.items() if name != "swap"},
    **managed.DEEDS,
}
"""The same for runs in managed mode."""
ALL_DEEDS: dict[str, Deed] = {**DEEDS, **MANAGED_DEEDS}

__all__ = ["ALL_DEEDS", "DEEDS", "MANAGED_DEEDS", "Deed"]
