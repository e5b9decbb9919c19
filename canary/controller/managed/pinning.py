"""Keeping a pod template, and the configuration that it reads, under the name of their revision."""

from __future__ import annotations

from typing import Any

from canary.controller.managed.manifests import Manifests
from canary.controller.managed.observe import View
from canary.controller.managed.observer import Subject
from canary.controller.managed.writes import Changed, Writer
from canary.kube.errors import AlreadyExists
from canary.kube.resources import CONFIG_MAPS, CONTROLLER_REVISIONS, SECRETS, Resource
from canary.workload.config import ABSENT, copy_of
from canary.workload.pins import Pin, pin_body, pin_name

JSON = dict[str, Any]


class Pinning:
    """Every method raises `Changed` or a `KubeError`."""

    def __init__(self, writer: Writer, manifests: Manifests) -> None:
        self._writer = writer
        self._manifests = manifests

    async def pin(self, subject: Subject, view: View, revision: str) -> bool:
        """Keep the candidate's template, unless it is another one by now; whether it was done."""
        candidate, namespace, mark = view.workload.candidate, subject.key[0], subject.mark
        if view.target is None or candidate is None or candidate.revision != revision:
            return False
        here = {(ref.kind, ref.name) for ref, digest in view.config.digests.items() if digest != ABSENT}
        for part in view.config.copies:
            kind, _, name = part.partition("/")
            if (kind, name) not in here:
                continue
            await self._copy(subject, view, CONFIG_MAPS if kind == "ConfigMap" else SECRETS, name)
        pin = Pin(revision, view.target["spec"]["template"], dict(view.config.copies))
        name, number = pin_name(subject.target, revision), 1 + len(view.pins)
        body = pin_body(name, namespace, subject.target, pin, mark.labels, mark.annotations, number)
        try:
            await self._writer.create(CONTROLLER_REVISIONS, namespace, body)
        except AlreadyExists as error:
            raise Changed(str(error)) from error
        return True

    async def _copy(self, subject: Subject, view: View, kind: Resource, name: str) -> None:
        original = plain(self._manifests, kind, subject, name)
        digests = {(ref.kind, ref.name): digest for ref, digest in view.config.digests.items()}
        body = copy_of(original, digests[kind.kind, name], subject.mark.labels, subject.mark.annotations)
        if self._manifests.get(kind, subject.key[0], body["metadata"]["name"]) is not None:
            return
        try:
            await self._writer.create(kind, subject.key[0], body)
        except AlreadyExists:
            return  # Its name is its content.

    async def unpin(self, subject: Subject, view: View, revision: str) -> bool:
        """Let a template go, and the copies of configuration that no other one reads."""
        pin, namespace = view.pins[revision], subject.key[0]
        others = (other for other in view.pins.values() if other.revision != revision)
        kept = {copied for other in others for copied in other.config.values()}
        name = pin_name(subject.target, revision)
        seen = plain(self._manifests, CONTROLLER_REVISIONS, subject, name)
        await self._writer.delete(CONTROLLER_REVISIONS, namespace, name, seen)
        for part, copied in pin.config.items():
            if copied not in kept:
                kind = CONFIG_MAPS if part.startswith("ConfigMap/") else SECRETS
                await self._writer.delete(kind, namespace, copied, None)
        return True

    async def add_alias(self, subject: Subject, view: View, revision: str, alias: str) -> None:
        """Remember for good that `alias` is the pinned `revision` after the server's defaults."""
        name = pin_name(subject.target, revision)
        body = pin_body(name, subject.key[0], subject.target, view.pins[revision].with_alias(alias), {}, {}, 0)
        patch = {"metadata": {"annotations": body["metadata"]["annotations"]}}
        seen = plain(self._manifests, CONTROLLER_REVISIONS, subject, name)
        await self._writer.merge(CONTROLLER_REVISIONS, subject.key[0], name, patch, seen)


def plain(manifests: Manifests, kind: Resource, subject: Subject, name: str) -> JSON:
    """The object as it was looked at last. Raises `Changed` when it is gone."""
    found = manifests.get(kind, subject.key[0], name)
    if found is None:
        raise Changed(f"{kind.kind} {name} is gone")
    return found.plain(kind.api_version, kind.kind)
