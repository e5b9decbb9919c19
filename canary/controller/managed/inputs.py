"""What is known of the cluster around one Canary, as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from canary.api.canary import CanarySpec
from canary.kube.resources import Resource
from canary.workload.ownership import Mark

JSON = dict[str, Any]


class Unproven(NamedTuple):
    """Two templates that may be the same after an API server's defaulting: a dry run can tell. `pin` is the revision
    that the wanted one is kept under; empty for the template of the stable copy."""

    wanted: JSON
    live: JSON
    pin: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is known of the cluster: objects as plain JSON by kind and name, all of one namespace.

    `live` are the uids of the Canaries that exist, `settled` digests that proved to be the same template (a wanted one
    and what the server made of it), `trouble` what pods say of themselves by Deployment, `filters` the NetworkPolicies
    and monitors of the namespace, `None` when nobody has looked.
    """

    mark: Mark
    spec: CanarySpec
    acknowledged: str
    services: Mapping[str, JSON]
    objects: Mapping[Resource, Mapping[str, JSON]]
    live: frozenset[str] = frozenset()
    settled: frozenset[tuple[str, str]] = frozenset()
    trouble: Mapping[str, str] = field(default_factory=dict)
    filters: tuple[JSON, ...] | None = ()
    floor: int | None = None
    secrets: bool = False
    known: bool = True
    terminating: bool | None = False
