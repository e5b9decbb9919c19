"""Which kinds managed mode watches in a namespace: those that are there, and that this installation may read."""

from __future__ import annotations

import msgspec

from canary.kube.client import Client
from canary.kube.errors import ApiError, Forbidden, NotFound
from canary.kube.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    SCALED_OBJECTS,
    SECRETS,
    Resource,
)
from canary.kube.store import Key

ALWAYS = frozenset({DEPLOYMENTS, CONTROLLER_REVISIONS, AUTOSCALERS, DISRUPTION_BUDGETS, CONFIG_MAPS})
ASK_AGAIN = 600.0
"""Seconds between two looks for KEDA's API, which may be installed later."""


class _Named(msgspec.Struct, frozen=True):
    name: str


class _Group(msgspec.Struct, frozen=True):
    """An APIResourceList."""

    resources: tuple[_Named, ...] = ()


class ManagedKinds:
    """Knows in which namespaces managed Canaries live. `secrets` is the administrator's switch."""

    def __init__(self, *, secrets: bool = False) -> None:
        self._keys: dict[str, set[Key]] = {}
        self._secrets = secrets
        self._scaled_objects = False
        self._asked_at = float("-inf")

    def note(self, key: Key, *, managed: bool) -> None:
        """A Canary is in managed mode, or is not."""
        if managed:
            self._keys.setdefault(key[0], set()).add(key)
        elif key in self._keys.get(key[0], ()):
            self._keys[key[0]].discard(key)

    def wanted(self, namespace: str) -> frozenset[Resource]:
        """What is to be watched for the Canaries of a namespace; nothing when none is in managed mode."""
        if not self._keys.get(namespace):
            return frozenset()
        return ALWAYS | ({SECRETS} if self._secrets else set()) | ({SCALED_OBJECTS} if self._scaled_objects else set())

    async def look_for_keda(self, client: Client, now: float) -> None:
        """Whether ScaledObjects can be watched; asked once in ten minutes, until then again when nobody can tell.

        A watch of what is not served would keep everything else from being known. Raises `KubeError`.
        """
        if now < self._asked_at + ASK_AGAIN:
            return
        try:
            answer = await client.fetch(SCALED_OBJECTS.group_path)
            self._scaled_objects = _serves_scaled_objects(answer.body)
        except (NotFound, Forbidden):
            self._scaled_objects = False  # Not there, or not ours to see: there is nothing to be copied.
        except ApiError:
            return
        self._asked_at = now


def _serves_scaled_objects(body: bytes) -> bool:
    """Whether a discovery document has them; a page of something in between has not."""
    try:
        found = msgspec.json.decode(body, type=_Group)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return any(resource.name == SCALED_OBJECTS.plural for resource in found.resources)
