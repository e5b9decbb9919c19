"""Brings the workload to where the state in the split wants it: one action after the other, each behind the fence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from operator import attrgetter
from typing import Any

import structlog

from canary.api.canary import Canary
from canary.controller.act import Actor, Replaced
from canary.controller.managed.candidate import revision
from canary.controller.managed.deeds import Deeds
from canary.controller.managed.inputs import Unproven
from canary.controller.managed.kinds import ManagedKinds
from canary.controller.managed.observe import View
from canary.controller.managed.observer import Subject
from canary.controller.managed.writes import Changed
from canary.controller.report import Reporter
from canary.controller.session import Session
from canary.controller.world import World
from canary.core.actions import Action, Deed, due
from canary.core.observed import Observed, Split
from canary.core.phases import Phase
from canary.core.workload import Selects
from canary.kube.client import Client
from canary.kube.errors import BadRequest, Forbidden, Invalid, NotFound
from canary.kube.resources import (
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Resource,
)
from canary.traffic.view import Owner
from canary.workload.failures import crash_looping, pod_trouble
from canary.workload.ownership import Ours, ownership
from canary.workload.sides import HASH_LABELS
from canary.workload.template import template_digest

REFUSALS = (Invalid, Forbidden, BadRequest)
MAX_ACTIONS = 12
"""How many actions one look carries out before it lets others work."""
UNFENCED = frozenset({Deed.PIN, Deed.CREATE_ROOT, Deed.DISOWN, Deed.YIELD_CANDIDATE, Deed.YIELD_ROOT})
"""They move no traffic, so that nothing has to be read for them."""
ON_DEPLOYMENTS = frozenset({Deed.SCALE_CANDIDATE, Deed.SCALE_STABLE, Deed.WRITE_STABLE, Deed.STAMP_STABLE, Deed.UNPIN})
"""What they write is known from before the split was, but for its status; a pin never changes."""
JUST = 1.0
"""Seconds for which the answer to our own write of the split counts as a read of it."""
READS_CANARY = frozenset({Deed.CREATE_STABLE, Deed.WRITE_STABLE, Deed.POINT_ROOT, Deed.POINT_BACKEND, Deed.FILL_GAP})
MONITORS = (
    Resource("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor"),
    Resource("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor"),
)
PATIENCE = 5.0
"""Seconds that pods have to become ready before anybody asks what is wrong with them."""
AGAIN = 0.2
"""Seconds to the next look when an object was not what it was looked at as."""
_log = structlog.get_logger("canary.controller")


Begin = Callable[[], Awaitable[None]]


class Keeper:
    """Works for one Canary at a time; keeps nothing of its own."""

    def __init__(
        self, world: World, deeds: Deeds, actor: Actor, client: Client, kinds: ManagedKinds, reporter: Reporter
    ) -> None:
        self._kinds = kinds
        self._reporter = reporter
        self._world = world
        self._deeds = deeds
        self._actor = actor
        self._client = client

    async def prepare(self, session: Session, canary: Canary) -> bool:
        """Find out what a look at caches cannot tell: filters, doubts about defaults, a namespace that goes.

        Whether something was learnt: then look again before anything is done. Raises `KubeError`: what cannot be found
        out must be before anything is done.
        """
        subject = self._world.subject(session, canary)
        if subject is None:
            return False
        await self._kinds.look_for_keda(self._client, self._actor.now().monotonic)
        if canary.metadata.deletion_timestamp is not None:
            return await self._look_at_namespace(session, subject)
        view = self._world.workload_view(session, canary)
        learnt = self._world.lacks_copy(subject) and await self._look_for_filters(session, subject)
        for doubt in view.unproven if view is not None else ():
            await self._ask(session, subject, view, doubt)
            learnt = True
        return learnt

    async def _look_at_namespace(self, session: Session, subject: Subject) -> bool:
        findings = session.findings
        if findings.asked_namespace:
            return False
        try:
            found: dict[str, Any] = await self._client.get(NAMESPACES, subject.key[0])
            findings.terminating = "deletionTimestamp" in found["metadata"]
        except (Forbidden, NotFound):
            findings.terminating = False
        findings.asked_namespace = True
        return True

    async def nothing_left(self, session: Session, canary: Canary, observed: Observed) -> bool:
        """Before the finalizer goes: whether nothing of ours is left that the watches have not told of.

        A watch that is late knows nothing of what another process has made. Where the split stays, everything does.
        Raises `KubeError`.
        """
        subject, stays = self._world.subject(session, canary), observed.split is not None
        if subject is None or stays or session.findings.terminating:
            return True
        namespace, _ = subject.key
        selector = _label_selector(subject.mark.labels)
        for kind in (SERVICES, *sorted(self._kinds.wanted(namespace), key=attrgetter("plural"))):
            found = await self._client.list(kind, namespace, label_selector=selector, attempts=1)
            if any(isinstance(ownership(one, subject.mark, ()), Ours) for one in found.items):
                return False
        return True

    async def _look_for_filters(self, session: Session, subject: Subject) -> bool:
        """What selects the target's pods beside Services; kinds that are not served or not to be read are left out."""
        if session.findings.filters is not None:
            return False
        found: list[dict[str, Any]] = []
        for kind in (NETWORK_POLICIES, *MONITORS):
            try:
                listed = await self._client.list(kind, subject.key[0])
            except (NotFound, Forbidden):
                continue
            found += [{"apiVersion": kind.api_version, "kind": kind.kind} | item for item in listed.items]
        session.findings.filters = tuple(found)
        return True

    async def _ask(self, session: Session, subject: Subject, view: View | None, doubt: Unproven) -> None:
        deployment = subject.deployments[0 if doubt.pin else 1]
        wanted, live = template_digest(doubt.wanted), template_digest(doubt.live)
        made = template_digest(await self._deeds.proves(subject, deployment, doubt.wanted))
        session.findings.settled.add((wanted, live if made == live else f"not {live}"))
        if made == live and doubt.pin and view is not None:
            alias = revision(doubt.live, view.config)
            await self._deeds.pinning.add_alias(subject, view, doubt.pin, alias)

    def troubled(self, session: Session, canary: Canary) -> tuple[str, ...]:
        """Deployments whose pods are not ready for a while: what they say of themselves is worth a look."""
        view, findings = self._world.workload_view(session, canary), session.findings
        if view is None or not view.workload.known:
            return ()
        here = [one for one in (view.target, view.stable) if one is not None]
        lacking = tuple(one["metadata"]["name"] for one in here if _lacks_pods(one))
        now = self._actor.now().monotonic
        if not lacking and not findings.looping:
            findings.lacking_since, findings.trouble = None, {}
            return ()
        if findings.lacking_since is None:
            findings.lacking_since = now
        if now < findings.lacking_since + PATIENCE:
            return ()
        return lacking or tuple(one["metadata"]["name"] for one in here)

    async def list_troubles(self, session: Session, canary: Canary, deployment: str) -> None:
        """Ask the pods of a Deployment what is wrong. Raises `KubeError`."""
        selector, findings = self._selector(session, canary, deployment), session.findings
        pods = (await self._client.list(PODS, session.key[0], label_selector=selector)).items
        wall = self._actor.now().wall
        looping = {pod["metadata"]["name"] for pod in pods if crash_looping(pod, wall)}
        others = {name for name in findings.looping if not name.startswith(f"{deployment}-")}
        findings.looping = frozenset(looping | others)
        findings.trouble[deployment] = pod_trouble(pods)

    async def list_templates(self, session: Session, canary: Canary, deployment: str) -> None:
        """Learn which template each pod-template-hash of a Deployment stands for. Raises `KubeError`."""
        selector = self._selector(session, canary, deployment)
        found = await self._client.list(REPLICA_SETS, session.key[0], label_selector=selector)
        session.findings.templates[deployment] = {
            one["metadata"].get("labels", {}).get(HASH_LABELS[0], ""): template_digest(one["spec"]["template"])
            for one in found.items
        }

    def _selector(self, session: Session, canary: Canary, deployment: str) -> str:
        view = self._world.workload_view(session, canary)
        found = [one for one in (view.target, view.stable) if one is not None] if view is not None else []
        labels: dict[str, str] = next(
            (one["spec"]["selector"]["matchLabels"] for one in found if one["metadata"]["name"] == deployment), {}
        )
        return _label_selector(labels)

    async def work(
        self, session: Session, canary: Canary, owner: Owner, observed: Observed, begin: Begin
    ) -> float | None:
        """Carry out what is due; in how many seconds to look again, `None` when nothing was.

        An action that fails stops those after it, never what the split needs. `begin` comes before the first: what a
        Canary without our finalizer has made would be left behind.
        """
        done = False
        for _ in range(MAX_ACTIONS):
            actions = due(observed, session.memory, self._actor.now())
            if not actions:
                session.findings.problem = ""
                return 0.0 if done else None
            if self._world.services_are_late(session):
                return AGAIN
            findings, now = session.findings, self._actor.now().monotonic
            if wait := findings.wait(actions[0], now):
                return wait
            try:
                if not (done or observed.deleting):
                    await begin()
                if not await self._carry_out(session, canary, owner, actions[0]):
                    return AGAIN
            except (Changed, Replaced):
                return AGAIN
            except REFUSALS as error:
                session.findings.problem = f"{actions[0].deed.value}: the API server refuses it: {error}"
                raise
            done = True
            findings.did(actions[0], now)
            self._tell(session, canary, observed, actions[0])
            _log.info("action", canary=session.regarding, deed=actions[0].deed.value, **_words(actions[0]))
            observed = self._world.observe(session, canary, observed.split)
        return 0.0

    def _tell(self, session: Session, canary: Canary, observed: Observed, action: Action) -> None:
        """Templates that were put back are news for whoever wonders why their manifest does not run."""
        subject = self._world.subject(session, canary)
        if subject is None:
            return
        target, copy = subject.deployments
        state = observed.split.state if observed.split is not None else None
        promotes = state is not None and state.phase is Phase.PROMOTING and state.revision == action.revision
        if action.deed is Deed.RESTORE_CANDIDATE:
            self._reporter.restored(canary, target, action.revision, copy=False)
        elif action.deed is Deed.WRITE_STABLE and not promotes:
            self._reporter.restored(canary, copy, action.revision, copy=True)

    async def _carry_out(self, session: Session, canary: Canary, owner: Owner, action: Action) -> bool:
        subject, view = self._world.subject(session, canary), self._world.workload_view(session, canary)
        if subject is None or view is None:
            return False

        async def guard() -> bool:
            return action.deed in UNFENCED or await self._still_due(session, canary, owner, action)

        return await self._deeds.carry_out(subject, view, action, guard)

    def _just_written(self, session: Session, action: Action) -> Split | None:
        """The split as this very look has written it, if that counts as a read after the one of the Deployments."""
        fenced = session.fenced
        if fenced is None or action.deed not in ON_DEPLOYMENTS or (action.deed in READS_CANARY and not fenced.guarded):
            return None
        recent = self._actor.now().monotonic < fenced.at + JUST
        return fenced.split if recent and fenced.desired == self._world.desired_workloads(session) else None

    async def _still_due(self, session: Session, canary: Canary, owner: Owner, action: Action) -> bool:
        """Decide again on the split as it is now; where a template or a Service changes, on the Canary as well."""
        split = self._just_written(session, action)
        if split is None and action.deed in READS_CANARY:
            canary = await self._actor.read_canary(session)
        if action.to is Selects.CANDIDATE:
            # All traffic goes to what the target holds: a late watch may not know that it was rejected.
            await self._actor.read_target(session)
        if split is None and session.version is not None:
            live = await self._actor.read(session, owner)
            split = live.view if live else None
        observed = self._world.observe(session, canary, split)
        return action in due(observed, session.memory, self._actor.now())


def _label_selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _lacks_pods(deployment: dict[str, Any]) -> bool:
    wanted, status = deployment["spec"].get("replicas", 1), deployment.get("status") or {}
    return bool(wanted > status.get("readyReplicas", 0))


def _words(action: Action) -> dict[str, Any]:
    found = {"revision": action.revision, "part": action.part}
    if action.deed in (Deed.SCALE_CANDIDATE, Deed.SCALE_STABLE, Deed.CREATE_STABLE):
        found["replicas"] = str(action.replicas)
    return {name: value for name, value in found.items() if value}
