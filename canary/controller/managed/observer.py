"""Gathers what is known around one Canary, and looks at it again only when something of it has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from canary.api.canary import Canary, CanarySpec
from canary.api.kinds import Service
from canary.api.names import ACKNOWLEDGE_ANNOTATION
from canary.controller.managed.findings import Findings
from canary.controller.managed.inputs import Inputs
from canary.controller.managed.manifests import KINDS, Manifests
from canary.controller.managed.observe import View, view_of
from canary.controller.managed.parts import plain_service
from canary.core.observed import Side
from canary.core.state import State
from canary.kube.resources import DEPLOYMENTS, Resource
from canary.kube.store import Key, Store
from canary.workload.ownership import Mark, stable_name

JSON = dict[str, Any]


class Subject(NamedTuple):
    """The Canary that is looked at."""

    key: Key
    canary: Canary
    spec: CanarySpec
    findings: Findings

    @property
    def mark(self) -> Mark:
        return Mark(self.key[0], self.key[1], self.canary.metadata.uid)

    @property
    def target(self) -> str:
        return self.spec.target_ref.name if self.spec.target_ref is not None else ""

    @property
    def deployments(self) -> tuple[str, str]:
        """The names of the target and of its stable copy."""
        return self.target, stable_name(self.target)


class Observer:
    """`known(namespace)` tells whether every kind has been listed there; `secrets` whether Secrets are tracked."""

    def __init__(
        self,
        manifests: Manifests,
        services: Store[Service],
        canaries: Store[Canary],
        *,
        known: Callable[[str], bool],
        secrets: bool,
    ) -> None:
        self.manifests = manifests
        self._services = services
        self._canaries = canaries
        self._known = known
        self._service_changes: Counter[str] = Counter()
        services.subscribe(self._service_changed)
        self.secrets = secrets

    def view(self, subject: Subject, state: State | None) -> View:
        """The workload as it is now."""
        findings = subject.findings
        _follow_rollout(findings, subject, state, self.manifests)
        seen = self._versions(subject)
        if findings.view is None or findings.seen != seen:
            findings.view, findings.seen = view_of(self._inputs(subject)), seen
        return findings.view

    def lacks_copy(self, subject: Subject) -> bool:
        """Whether everything has been read and there is no stable copy."""
        namespace, (_, copy) = subject.key[0], subject.deployments
        return self._known(namespace) and self.manifests.get(DEPLOYMENTS, namespace, copy) is None

    def _service_changed(self, key: Key, old: Service | None, new: Service | None) -> None:
        self._service_changes[key[0]] += 1

    def _objects_of(self, subject: Subject, kind: Resource) -> list[Any]:
        namespace = subject.key[0]
        if kind is DEPLOYMENTS:
            found = (self.manifests.get(kind, namespace, name) for name in subject.deployments)
            return [manifest for manifest in found if manifest is not None]
        return list(self.manifests.all(kind, namespace))

    def _versions(self, subject: Subject) -> tuple[Any, ...]:
        """Equal to an earlier one when nothing has changed that the view is made from."""
        findings, namespace = subject.findings, subject.key[0]
        for name in subject.deployments:
            self.manifests.get(DEPLOYMENTS, namespace, name)  # Drops a write of ours that the watch has told of.
        return (
            bytes(subject.canary.spec),
            subject.canary.metadata.annotations.get(ACKNOWLEDGE_ANNOTATION, ""),
            self._service_changes[namespace],
            self.manifests.changes[namespace],
            frozenset(findings.settled),
            tuple(sorted(findings.trouble.items())),
            findings.floor,
            findings.filters is None,
            _terminating(subject),
            self._known(namespace),
        )

    def _inputs(self, subject: Subject) -> Inputs:
        findings = subject.findings
        services = self._services.indexed("namespace", subject.key[0])
        objects = {kind: self._objects_of(subject, kind) for kind in KINDS}
        return Inputs(
            mark=subject.mark,
            spec=subject.spec,
            acknowledged=subject.canary.metadata.annotations.get(ACKNOWLEDGE_ANNOTATION, ""),
            services={service.metadata.name: plain_service(service) for service in services},
            objects={
                kind: {one.metadata.name: one.plain(kind.api_version, kind.kind) for one in found}
                for kind, found in objects.items()
            },
            live=frozenset(canary.metadata.uid for canary in self._canaries),
            settled=frozenset(findings.settled),
            trouble=dict(findings.trouble),
            filters=findings.filters,
            floor=findings.floor,
            secrets=self.secrets,
            known=self._known(subject.key[0]),
            terminating=_terminating(subject),
        )

    def named(self, subject: Subject, side: Side, deployment: str) -> Side:
        """The side with the revision that its pods run; its pods count as unknown while their template is.

        The template of the stable copy is written by us alone: when the Deployment controller is done with it, every
        pod is of it, and nobody has to ask.
        """
        view = subject.findings.view
        if view is None or not side.ready:
            return side
        copy = view.workload.stable
        if deployment == subject.deployments[1]:
            if copy is None or not copy.complete or copy.drifted:
                return msgspec.structs.replace(side, hashes=side.hashes or (), named="")
            return msgspec.structs.replace(side, hashes=side.hashes or (), named=copy.revision)
        if side.hashes is None:
            return side
        templates = subject.findings.templates.get(deployment, {})
        digests = {templates.get(marker) for marker in side.hashes}
        if None in digests:
            return msgspec.structs.replace(side, hashes=None)
        digest, revision = view.named.get(deployment, ("", ""))
        return msgspec.structs.replace(side, named=revision if digests == {digest} else "")


def _leaving(subject: Subject) -> bool:
    return subject.canary.metadata.deletion_timestamp is not None


def _terminating(subject: Subject) -> bool | None:
    """Whether the namespace goes too; `None` while a Canary that leaves has not asked yet."""
    findings = subject.findings
    return findings.terminating if findings.asked_namespace or not _leaving(subject) else None


def _follow_rollout(findings: Findings, subject: Subject, state: State | None, manifests: Manifests) -> None:
    """While a rollout runs, stable does not shrink: all traffic may come back to it.

    A state that is older than one that was seen, from a cache that is late, says nothing of it.
    """
    if state is None or state.seq < findings.followed:
        return
    findings.followed, running = state.seq, state.running
    rollout = (state.revision, state.started) if running else ("", 0.0)
    if rollout == findings.rollout:
        return
    findings.rollout, findings.floor = rollout, None
    stable = manifests.get(DEPLOYMENTS, subject.key[0], subject.deployments[1])
    if running and stable is not None:
        spec = stable.plain(DEPLOYMENTS.api_version, DEPLOYMENTS.kind).get("spec") or {}
        findings.floor = spec.get("replicas", 1)
