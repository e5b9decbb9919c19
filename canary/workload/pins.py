"""Pins: the pod template of a revision, kept in a ControllerRevision for as long as somebody may go back to it.

The data of a ControllerRevision cannot be changed once it is stored (apps/v1), which is what a pin is for. Labels of a
pin must be our own alone: controllers of StatefulSets and DaemonSets adopt ControllerRevisions that their selector
matches and that nobody owns, and clean them up.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import msgspec

from canary.api.names import ALIASES_ANNOTATION, REVISION_ANNOTATION, TARGET_ANNOTATION
from canary.workload.canonical import digest_of
from canary.workload.config import NAME_LIMIT

FORM = 1
"""The version of the data; one that is not known is left alone."""
MOST_ALIASES = 10
_DIGITS = 10


class Pin(msgspec.Struct, frozen=True):
    """A revision and what it was made from.

    `config` has the name of the immutable copy by `Kind/name` of each tracked object. `aliases` are further revisions
    that proved to be the same template after an API server's defaulting, the latest last.
    """

    revision: str
    template: dict[str, Any]
    config: dict[str, str] = {}
    aliases: tuple[str, ...] = ()

    def stands_for(self, revision: str) -> bool:
        """Whether `revision` names this template."""
        return revision == self.revision or revision in self.aliases

    def with_alias(self, revision: str) -> Pin:
        """The pin with one more alias; the oldest goes when there are more than ten, and would be found out anew."""
        if self.stands_for(revision):
            return self
        return msgspec.structs.replace(self, aliases=(*self.aliases, revision)[-MOST_ALIASES:])


class _Data(msgspec.Struct, frozen=True):
    form: int
    template: dict[str, Any]
    config: dict[str, str] = {}


def pin_name(target: str, revision: str) -> str:
    """The name of the ControllerRevision, `<target>-<revision>`, of at most 253 characters."""
    name = f"{target}-{revision}"
    if len(name) <= NAME_LIMIT:
        return name
    digits = digest_of(target)[:_DIGITS]
    return f"{target[: NAME_LIMIT - len(revision) - _DIGITS - 2].rstrip('-.')}-{digits}-{revision}"


def pin_body(
    name: str,
    namespace: str,
    target: str,
    pin: Pin,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    number: int,
) -> dict[str, Any]:
    """The ControllerRevision that keeps `pin`; `number` orders the pins of one target, greater is later.

    The aliases stand in an annotation, since they come later than the data.
    """
    own = {
        REVISION_ANNOTATION: pin.revision,
        TARGET_ANNOTATION: target,
        ALIASES_ANNOTATION: ",".join(pin.aliases),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": dict(labels),
            "annotations": {**annotations, **{key: value for key, value in own.items() if value}},
        },
        "revision": number,
        "data": {"form": FORM, "template": copy.deepcopy(pin.template), "config": dict(pin.config)},
    }


def read_pin(obj: Mapping[str, Any]) -> Pin | None:
    """The pin that a ControllerRevision keeps; `None` for one of somebody else, or that this version cannot read."""
    try:
        annotations = msgspec.convert(obj["metadata"]["annotations"], dict[str, str])
        revision = annotations[REVISION_ANNOTATION]
        data = msgspec.convert(obj["data"], _Data)
    except (KeyError, TypeError, msgspec.ValidationError):
        return None
    if obj.get("kind", "ControllerRevision") != "ControllerRevision" or data.form != FORM or not revision:
        return None
    aliases = tuple(alias for alias in annotations.get(ALIASES_ANNOTATION, "").split(",") if alias)
    return Pin(revision, data.template, data.config, aliases)
