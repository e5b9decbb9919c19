"""Each action of `canary.core.actions` as a write: what goes into which object."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec

from canary.api.kinds import TrafficSplit
from canary.api.names import (
    APPLIED_BY_ANNOTATION,
    CANARY_LABEL,
    LEFT_LABEL,
    OWNER_ANNOTATION,
    REPLICAS_ANNOTATION,
    REVISION_ANNOTATION,
    SEQ_ANNOTATION,
    SIZE_ANNOTATION,
)
from canary.controller.managed.candidate import stamp
from canary.controller.managed.copies import wanted_template
from canary.controller.managed.manifests import Manifests
from canary.controller.managed.naming import named_by_a_mesh, named_by_a_split
from canary.controller.managed.observe import View
from canary.controller.managed.observer import Subject
from canary.controller.managed.parts import resource_of
from canary.controller.managed.pinning import Pinning, plain
from canary.controller.managed.roots import given_back
from canary.controller.managed.writes import Changed, Writer
from canary.core.actions.action import Action, Deed
from canary.core.workload import Selects
from canary.kube.client import Client
from canary.kube.errors import AlreadyExists, NotFound
from canary.kube.resources import (
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    SCALED_OBJECTS,
    SECRETS,
    SERVICES,
    Resource,
)
from canary.kube.store import Store
from canary.workload.autoscaling import PAUSED_REPLICAS
from canary.workload.claims import REPLICAS, SELECTOR, noted
from canary.workload.ownership import Ours, ownership, unmarked
from canary.workload.services import pointed_root, root_service, side_selectors
from canary.workload.stable import stable_deployment

JSON = dict[str, Any]
Guard = Callable[[], Awaitable[bool]]
"""Reads the split as it is now and tells whether the action is still due; asked after the object was read."""
KEPT = frozenset({CONTROLLER_REVISIONS, CONFIG_MAPS, SECRETS})
"""Nobody but us writes these: as they are watched is as they are, and there is no right to read them."""


class Deeds:
    """Carries single actions out. Every method raises `Changed` or a `KubeError`; nothing here retries."""

    def __init__(self, client: Client, manifests: Manifests, splits: Store[TrafficSplit]) -> None:
        self._client = client
        self._splits = splits
        self._manifests = manifests
        self._writer = Writer(client, manifests)
        self.pinning = Pinning(self._writer, manifests)

    async def carry_out(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        """Do it, if it is still due; whether anything was written."""
        deed = _DEEDS[action.deed]
        return await deed(self, subject, view, action, guard)

    async def proves(self, subject: Subject, deployment: str, wanted: JSON) -> JSON:
        """What the server makes of `wanted` as the pod template of a Deployment; nothing is stored."""
        return await self._writer.dry_run(subject.key[0], deployment, wanted)

    async def _fill_gap(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        part = next((part for part in view.parts if part.name == action.part), None)
        if part is None:
            return False
        namespace, name = subject.key[0], part.body["metadata"]["name"]
        if part.patch is None:
            await self._created(part.kind, subject, part.body)
            return True
        if part.kind in KEPT:
            seen = plain(self._manifests, part.kind, subject, name)
        else:
            seen = await self._client.get(part.kind, name, namespace)
        # A Canary that is gone may have an heir of its name, whose this is, and one that goes may have let go of it: a
        # late watch has told of neither.
        if not isinstance(ownership(seen, subject.mark, ()), Ours) and not await guard():
            return False
        await self._writer.merge(part.kind, namespace, name, part.patch, seen)
        return True

    async def _created(self, kind: Resource, subject: Subject, body: JSON) -> None:
        try:
            await self._writer.create(kind, subject.key[0], body)
        except AlreadyExists as error:
            raise Changed(str(error)) from error

    async def _pin(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        return await self.pinning.pin(subject, view, action.revision)

    async def _unpin(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        # What a late view holds for over may be under trial again.
        return await guard() and await self.pinning.unpin(subject, view, action.revision)

    async def _create_stable(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        target, label, pin = view.target, view.label, view.pins.get(action.revision)
        if target is None or label is None or pin is None or not await guard():
            return False
        body = stable_deployment(
            target, pin.template, label=label, replicas=action.replicas, mark=subject.mark, revision=pin.revision, seq=0
        )
        body["spec"]["template"] = wanted_template(pin, label, subject.key[0])
        body["metadata"]["annotations"] |= _stamped(subject, action) | {SIZE_ANNOTATION: str(action.size)}
        await self._created(DEPLOYMENTS, subject, body)
        return True

    async def _write_stable(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        pin, label, seen = view.pins.get(action.revision), view.label, view.stable
        if pin is None or label is None or seen is None or not await guard():
            return False
        annotations = _stamped(subject, action) | {REVISION_ANNOTATION: pin.revision}
        template = wanted_template(pin, label, subject.key[0])
        operations = [{"op": "replace", "path": "/spec/template", "value": template}]
        return await self._edit_deployment(subject, seen, annotations, operations)

    async def _scale_stable(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        if view.stable is None or not await guard():
            return False
        annotations = _stamped(subject, action) | {SIZE_ANNOTATION: str(action.size)}
        operations = [{"op": "add", "path": "/spec/replicas", "value": action.replicas}]
        return await self._edit_deployment(subject, view.stable, annotations, operations)

    async def _stamp_stable(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        if view.stable is None or not await guard():
            return False
        return await self._edit_deployment(subject, view.stable, _stamped(subject, action), [])

    async def _edit_deployment(
        self, subject: Subject, seen: JSON, annotations: dict[str, str], operations: list[JSON]
    ) -> bool:
        noted = (seen["metadata"].get("annotations") or {}) | annotations
        operations = [*operations, {"op": "add", "path": "/metadata/annotations", "value": noted}]
        await self._writer.edit(DEPLOYMENTS, subject.key[0], seen["metadata"]["name"], operations, seen)
        return True

    async def _scale_candidate(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        """Of the user's Deployment we own the replicas and our own annotation, nothing else."""
        seen = view.target
        if seen is None or not await guard():
            return False
        note = noted(seen, REPLICAS)
        if note:
            note[REPLICAS_ANNOTATION] = str(action.replicas)
        metadata = {"name": subject.target, "annotations": _stamped(subject, action) | note}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
        body |= {"spec": {"replicas": action.replicas}}
        made = await self._writer.apply(DEPLOYMENTS, subject.key[0], body, seen)
        await self._yield_at_once(subject, DEPLOYMENTS, made)
        return True

    async def _yield_candidate(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        return view.target is not None and await self._yield(subject, DEPLOYMENTS, view.target)

    async def _yield_root(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        return view.root is not None and await self._yield(subject, SERVICES, view.root)

    async def _yield(self, subject: Subject, kind: Resource, seen: JSON) -> bool:
        return await self._writer.give_up(kind, subject.key[0], seen)

    async def _yield_at_once(self, subject: Subject, kind: Resource, made: JSON) -> None:
        """What we have just written is not held against anybody for longer than this takes.

        Its status changes at once with its size: then it is read. The write has been done, whatever comes of this: the
        next look finds what is left claimed.
        """
        with suppress(Changed, NotFound):
            try:
                await self._yield(subject, kind, made)
            except Changed:
                name = made["metadata"]["name"]
                await self._yield(subject, kind, await self._client.get(kind, name, subject.key[0], attempts=1))

    async def _restore_candidate(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        pin, seen = view.pins.get(action.revision), view.target
        if pin is None or seen is None or not await guard():
            return False
        operations = [{"op": "replace", "path": "/spec/template", "value": pin.template}]
        return await self._edit_deployment(subject, seen, _stamped(subject, action), operations)

    async def _hold_scaler(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        """Of the user's ScaledObject we own the pause and our own annotation; a resume no longer lists the first."""
        seen = view.scaled
        if seen is None or not await guard():
            return False
        pause = {PAUSED_REPLICAS: str(action.replicas)} if action.deed is Deed.PAUSE_SCALER else {}
        metadata = {"name": seen["metadata"]["name"], "annotations": pause | _stamped(subject, action)}
        body = {"apiVersion": SCALED_OBJECTS.api_version, "kind": SCALED_OBJECTS.kind, "metadata": metadata}
        await self._writer.apply(SCALED_OBJECTS, subject.key[0], body, seen)
        return True

    async def _create_root(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        if view.target is None or view.label is None:
            return False
        ports = [msgspec.to_builtins(port) for port in subject.spec.service.ports or ()]
        body = root_service(subject.spec.service.name, ports, view.target, label=view.label, mark=subject.mark)
        await self._created(SERVICES, subject, body)
        return True

    async def _point_root(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        return await self._point(subject, view, action, guard, subject.spec.service.name)

    async def _point_backend(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        return await self._point(subject, view, action, guard, f"{subject.spec.service.name}-stable")

    async def _point(self, subject: Subject, view: View, action: Action, guard: Guard, name: str) -> bool:
        model, label = view.model, view.label
        if model is None or label is None:
            return False
        seen = await self._read_service(subject, name)
        if not await guard():
            return False
        stable, candidate = side_selectors(model, label)
        selector = stable if action.to is Selects.STABLE else candidate
        if name == subject.spec.service.name and action.to is Selects.CANDIDATE:
            selector = given_back(seen, model, label) or candidate
        return await self._replace_service(subject, pointed_root(seen, selector), action)

    async def _stamp_root(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        seen = await self._read_service(subject, subject.spec.service.name)
        if not await guard():
            return False
        return await self._replace_service(subject, copy.deepcopy(seen), action)

    async def _replace_service(self, subject: Subject, body: JSON, action: Action) -> bool:
        annotations = (body["metadata"].get("annotations") or {}) | _stamped(subject, action)
        annotations.pop(APPLIED_BY_ANNOTATION, None)
        body["metadata"]["annotations"] = annotations | noted(body, SELECTOR)
        made = await self._writer.replace(SERVICES, subject.key[0], body)
        if OWNER_ANNOTATION not in annotations:
            await self._yield_at_once(subject, SERVICES, made)
        return True

    async def _seen(self, subject: Subject, kind: Resource, name: str) -> JSON:
        """Something of ours. Services are read; of everything else the watched object is whole.

        A Canary that was made anew may have its own by now, under the same name.
        """
        if kind is SERVICES:
            found = await self._read_service(subject, name)
        else:
            found = plain(self._manifests, kind, subject, name)
        if not isinstance(ownership(found, subject.mark, ()), Ours):
            raise Changed(f"{kind.kind} {name} is not this Canary's any more")
        return found

    async def _read_service(self, subject: Subject, name: str) -> JSON:
        try:
            found: JSON = await self._client.get(SERVICES, name, subject.key[0], attempts=1)
        except NotFound as error:
            raise Changed(str(error)) from error
        return found

    async def _remove(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        kind, name = resource_of(action.part)
        if kind is SERVICES and await self._still_called(subject, name):
            return await self._disown(subject, view, action, guard)
        seen = await self._seen(subject, kind, name)
        if not await guard():
            return False
        await self._writer.delete(kind, subject.key[0], name, seen)
        return True

    async def _still_called(self, subject: Subject, service: str) -> bool:
        """The root Service has callers, whoever made it; a backend may be named by a mesh, or in another split."""
        if service == subject.spec.service.name:
            return True
        if named_by_a_split(self._splits, subject.key[0], service, canary=subject.key[1]):
            return True
        return await named_by_a_mesh(self._client, subject.key[0], service)

    async def _disown(self, subject: Subject, view: View, action: Action, guard: Guard) -> bool:
        kind, name = resource_of(action.part)
        seen = await self._seen(subject, kind, name)
        labels, annotations = unmarked()
        if kind is CONTROLLER_REVISIONS:
            del labels[CANARY_LABEL]  # They are watched by it.
        # The root has callers, and is never deleted with what is left behind.
        left = {} if name == subject.spec.service.name and kind is SERVICES else {LEFT_LABEL: subject.key[1]}
        patch = {"metadata": {"annotations": annotations, "labels": labels | left}}
        await self._writer.merge(kind, subject.key[0], name, patch, seen)
        return True


def _stamped(subject: Subject, action: Action) -> dict[str, str]:
    return {SEQ_ANNOTATION: stamp(subject.canary.metadata.uid, action.stamp)}


_DEEDS = {
    Deed.FILL_GAP: Deeds._fill_gap,
    Deed.PIN: Deeds._pin,
    Deed.UNPIN: Deeds._unpin,
    Deed.CREATE_STABLE: Deeds._create_stable,
    Deed.WRITE_STABLE: Deeds._write_stable,
    Deed.SCALE_STABLE: Deeds._scale_stable,
    Deed.STAMP_STABLE: Deeds._stamp_stable,
    Deed.SCALE_CANDIDATE: Deeds._scale_candidate,
    Deed.RESTORE_CANDIDATE: Deeds._restore_candidate,
    Deed.PAUSE_SCALER: Deeds._hold_scaler,
    Deed.RESUME_SCALER: Deeds._hold_scaler,
    Deed.CREATE_ROOT: Deeds._create_root,
    Deed.POINT_ROOT: Deeds._point_root,
    Deed.STAMP_ROOT: Deeds._stamp_root,
    Deed.POINT_BACKEND: Deeds._point_backend,
    Deed.YIELD_CANDIDATE: Deeds._yield_candidate,
    Deed.YIELD_ROOT: Deeds._yield_root,
    Deed.REMOVE: Deeds._remove,
    Deed.DISOWN: Deeds._disown,
}
