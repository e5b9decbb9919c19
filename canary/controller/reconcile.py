"""One look at one Canary: observe, decide, act; then, and only then, tell."""

from __future__ import annotations

import random
from contextlib import suppress
from functools import partial

import msgspec
import structlog

from canary.api.canary import Canary
from canary.controller.act import Actor, Contested, NotLeading, Replaced, WriteFailed
from canary.controller.managed.keeper import Keeper
from canary.controller.managed.kinds import ManagedKinds
from canary.controller.report import Reporter
from canary.controller.session import Session
from canary.controller.telemetry import Telemetry, newly_judged
from canary.controller.watches import Watches
from canary.controller.world import World, record_of
from canary.core.decide import evaluate
from canary.core.decision import Act, Change, Decision, Direction, Outlook
from canary.core.memory import Memory, trusted_state, would_breach
from canary.core.observed import Observed, Split
from canary.core.rules.deletion import FINALIZE
from canary.core.state import State
from canary.core.verdict import Verdict
from canary.core.window import Reading, SourceFailure, Window
from canary.kube.errors import BadRequest, Conflict, Forbidden, Invalid, KubeError, NotFound, Throttled, TooLarge
from canary.kube.queue import WorkQueue
from canary.kube.store import Key
from canary.metrics.groups import MetricsGroups, Target
from canary.metrics.sources import Sources
from canary.traffic.fence import ResourceGone
from canary.traffic.versions import Discovery, NoTrafficSplit, VersionError, VersionNotServed
from canary.traffic.view import Owner, split_view

URGENT, SOON = 9, 5
MAX_WRITES = 8
"""How many writes one reconcile makes before it lets others work."""
PODS_AGAIN = 1.0
"""Seconds between two lists of pods for endpoints that name a pod which no list had."""
TROUBLE_AGAIN = 10.0
"""Seconds between two looks at pods that do not become ready."""
DISCOVER_AGAIN = 10.0
CACHES_FOLLOW = 1.0
"""Seconds after which a wish that a live look has dropped is looked at again, if no watch has told of news before."""
VIEW_PATIENCE = 10.0
"""Seconds in which the views of a process that has just come become whole, as a rule; until then the status stays."""
GRAIN = 0.001
"""Seconds: a timer may fire a grain early, and a wait that is shorter than the clock can tell would spin."""
FIGHT = "the TrafficSplit is changed by somebody else as soon as it is written: a webhook, or a program that holds it"
REFUSALS = (Invalid, Forbidden, BadRequest, TooLarge)
_log = structlog.get_logger("canary.controller")


class Reconciler:
    """Callable with a key, as the workers do; everything that is kept per Canary is in its `Session`.

    Telling is left to `report`, for the workers of the queue `reports`, and the workload of managed mode to `work`, for
    those of `works`.
    """

    def __init__(
        self, *, world: World, watches: Watches, actor: Actor, reporter: Reporter, discovery: Discovery,
        groups: MetricsGroups, sources: Sources, queue: WorkQueue, reports: WorkQueue, works: WorkQueue,
        telemetry: Telemetry, rng: random.Random, keeper: Keeper, kinds: ManagedKinds,
    ) -> None:  # fmt: skip
        self.sessions: dict[Key, Session] = {}
        self.reports = reports
        self.works = works
        self._world = world
        self._watches = watches
        self._actor = actor
        self._reporter = reporter
        self._discovery = discovery
        self._groups = groups
        self._sources = sources
        self._queue = queue
        self._telemetry = telemetry
        self._rng = rng
        self._keeper = keeper
        self._kinds = kinds
        self._readings: dict[Key, list[Reading]] = {}
        self._listed_at: dict[Key, float] = {}

    def on_reading(self, key: Key) -> None:
        """A metrics window has come: one that looks breached goes before all others."""
        readings = self._groups.take(key)
        self._readings.setdefault(key, []).extend(readings)
        session = self.sessions.get(key)
        bad = session is not None and any(_suspicious(session, reading) for reading in readings)
        self._queue.add(key, URGENT if bad else SOON)

    async def __call__(self, key: Key) -> float | None:
        canary = self._world.canary(key)
        if canary is None:
            self._forget(key)
            return None
        session = self._session(key, canary)
        session.read_spec(canary)
        if canary.metadata.deletion_timestamp is not None:
            session.findings.follow_deletion(self._actor.now())
        owner = self._world.owner(session, canary)
        await self._choose_version(session, canary, owner)
        split, known = self._cached_split(session, owner)
        observed = self._world.observe(session, canary, split, split_known=known)
        failure: WriteFailed | None = None
        try:
            canary, observed, decision, again = await self._act(session, canary, owner, observed)
            if observed.workload is not None and decision.change is None:
                decision = _with_refusal(decision, session.findings.problem)
                self.works.add(key)
        except WriteFailed as error:
            failure, decision, again = error, self._failed(session, error), None
        except NotLeading:
            return None
        except Contested as contest:
            return contest.wait
        except Replaced:
            return CACHES_FOLLOW
        except ResourceGone:
            self._discovery.invalidate()
            session.version = None
            return 0.1
        self._schedule(key, session, decision, failure, again=again)
        self._note(session, canary, observed, decision)
        if failure is not None and failure.direction is not Direction.DOWN:
            raise failure
        return None

    async def work(self, key: Key) -> float | None:
        """Managed mode: bring the workload to where the last look wants it. Its own queue: a write that hangs must not
        hold up a rollback."""
        session = self.sessions.get(key)
        if session is None or session.finding is None:
            return None
        canary, observed, decision = session.finding
        owner = self._world.owner(session, canary)
        if owner is None or observed.workload is None or decision.change is not None:
            return None
        problem = session.findings.problem
        try:
            if await self._keeper.prepare(session, canary):
                again: float | None = 0.0
            else:
                observed = self._world.observe(session, canary, observed.split)
                begin = partial(self._reporter.finalizer, session, canary, wanted=True)
                again = await self._keeper.work(session, canary, owner, observed, begin)
            if again is not None:
                self._queue.add_after(key, max(again, GRAIN) if again else 0.0, SOON)
        except ResourceGone:
            return CACHES_FOLLOW
        finally:
            if session.findings.problem != problem:
                self._queue.add(key)
        return None

    async def report(self, key: Key) -> float | None:
        """Tell what the last look found. Its own queue: a status that hangs must not hold up a rollback."""
        session = self.sessions.get(key)
        if session is None or session.finding is None:
            return None
        canary, observed, decision = session.finding
        state = trusted_state(observed, session.memory)
        try:
            due = await self._tell(session, canary, observed, decision)
        except KubeError:
            # Nobody can be told at the moment. What runs has to be known all the same.
            await self._list_pods(session, canary, state)
            raise
        pods = await self._list_pods(session, canary, state)
        words = None if due is None else self._left(due)
        return min((wait for wait in (pods, words) if wait is not None), default=None)

    async def _act(
        self, session: Session, canary: Canary, owner: Owner | None, observed: Observed
    ) -> tuple[Canary, Observed, Decision, float | None]:
        """Write until nothing is due; the last look, and in how many seconds to look again, if need be."""
        readings = tuple(self._readings.pop(session.key, ()))
        decision = Decision()
        for _ in range(MAX_WRITES):
            before = session.memory
            session.memory, decision = evaluate(observed, before, readings, self._actor.now())
            self._count_verdicts(session, before, readings)
            readings = ()
            if decision.change is None or owner is None or session.version is None:
                return canary, observed, decision, None
            repairs = _repairs(decision.change)
            if repairs and (wait := session.repairs.wait(self._actor.now().monotonic)):
                return canary, observed, Decision(outlook=Outlook("TrafficConflict", FIGHT, blocked=True)), wait
            if decision.change.act is Act.CREATE or trusted_state(observed, session.memory) is None:
                await self._reporter.finalizer(session, canary, wanted=True)
            look = await self._actor.carry_out(session, canary, owner, decision.change)
            if look is None:
                break
            session.write_problem = ""
            if not look.wrote:
                # What was read just now overrules the caches. They follow, and wake this; until then, no hurry.
                return look.canary, look.observed, look.decision, self._rng.uniform(0.5, 1.0) * CACHES_FOLLOW
            if repairs:
                # Only what was written is part of a fight: a late cache wishes for repairs that nothing needs.
                session.repairs = session.repairs.take(self._actor.now().monotonic)
            canary = look.canary
            # A write that lets the split go takes with it what another process may have died before telling.
            self._reporter.say(session, canary, look.observed)
            observed = self._world.observe(session, canary, look.live.view if look.live else None)
            self._reporter.say(session, canary, observed)
            if decision.change.direction is Direction.DOWN:
                # This one is safe now. What is left to do for it must not keep a worker from one that is not.
                return canary, observed, decision, 0.0
        return canary, observed, decision, self._rng.uniform(0.0, 0.05)

    def _count_verdicts(self, session: Session, before: Memory, readings: tuple[Reading, ...]) -> None:
        for reading in readings:
            if isinstance(reading, SourceFailure):
                self._telemetry.judged(session.key, Verdict.SOURCE_ERROR)
        for window in newly_judged(before, session.memory) if readings else ():
            self._telemetry.judged(session.key, window.verdict)

    def _note(self, session: Session, canary: Canary, observed: Observed, decision: Decision) -> None:
        """What follows from a look without an await; the rest is left to `report`."""
        state = trusted_state(observed, session.memory)
        self._reporter.say(session, canary, observed)
        self._telemetry.looked(session.key, observed, state, session.memory, decision)
        self._follow(session, observed, state)
        session.finding = (canary, observed, decision)
        self.reports.add(session.key)

    async def _tell(self, session: Session, canary: Canary, observed: Observed, decision: Decision) -> float | None:
        """Status and what goes with it; when (monotonic) a status is due that may not be written yet."""
        state = trusted_state(observed, session.memory)
        if decision.change is not None and not session.write_problem:
            return None
        if decision.outlook == FINALIZE and observed.deleting:
            if not await self._keeper.nothing_left(session, canary, observed):
                self._queue.add_after(session.key, CACHES_FOLLOW)
                return None
            await self._reporter.finalizer(session, canary, wanted=False)
            return None
        if state is not None and not observed.deleting:
            # Whoever has taken the finalizer off: without it a deletion would leave everything behind.
            await self._reporter.finalizer(session, canary, wanted=True)
        if self._too_early(session, canary, observed, state):
            self._queue.add_after(session.key, VIEW_PATIENCE)
            return None
        try:
            reported = await self._reporter.status(session, canary, observed, decision, self._actor.now())
        except Conflict:
            # The Canary has changed. Its event may be long on the way.
            with suppress(Replaced, NotFound):
                await self._actor.fetch_canary(session)
            self._queue.add_after(session.key, 0.2)
            return None
        await self._reporter.consume(session, canary, state, reported.status)
        return reported.due

    def _left(self, due: float) -> float:
        """Seconds until a moment (monotonic) that has not come, and never less than the clock can tell."""
        return max(due - self._actor.now().monotonic, GRAIN)

    def _too_early(self, session: Session, canary: Canary, observed: Observed, state: State | None) -> bool:
        """Whether a process that has just come sees too little to contradict what was told of this same state."""
        told = record_of(canary).seq
        news = state is not None and state.seq != told
        whole = observed.split_known and all(
            side.known and (side.hashes is not None or not side.ready) for side in observed.sides.values()
        )
        whole = whole and (observed.workload is None or observed.workload.known)
        patient = self._actor.now().monotonic < session.began + VIEW_PATIENCE
        return patient and not whole and told > 0 and not news

    def _follow(self, session: Session, observed: Observed, state: State | None) -> None:
        """Watch the Services that matter now, and read metrics only while a rollout runs."""
        plan = session.plan or session.last_plan
        services = {*session.services(state), *([plan.root] if plan else [])}
        namespace = session.key[0]
        if self._world.interests.set(session.key, services):
            self._watches.set_names(namespace, self._world.interests.services(namespace))
        self._kinds.note(session.key, managed=session.spec is not None and session.spec.target_ref is not None)
        self._watches.set_managed(namespace, self._kinds.wanted(namespace))
        if state is None or plan is None or not (state.running or _draining(observed, session)) or observed.deleting:
            self._groups.unsubscribe(session.key)
            return
        workloads = self._world.workloads(session, state)
        if workloads is not None:
            target = Target(
                namespace, workloads.kind, plan.interval, workloads.stable, workloads.canary, plan.source, plan.peers
            )
            self._groups.subscribe(session.key, target)

    async def _list_pods(self, session: Session, canary: Canary, state: State | None) -> float | None:
        """List the pods of endpoints that nobody has looked at; in how many seconds to check again, if need be."""
        unseen = self._world.unseen_pods(session, state)
        templates = () if unseen else self._world.unseen_templates(session, canary, state)
        troubled = self._keeper.troubled(session, canary)
        if not unseen and not templates and not troubled:
            return None
        now = self._actor.now().monotonic
        due = self._listed_at.get(session.key, float("-inf")) + PODS_AGAIN
        if now < due:
            return self._left(due)
        self._listed_at[session.key] = now
        for service in unseen:
            await self._world.pods.refresh(service)
        for deployment in templates:
            await self._keeper.list_templates(session, canary, deployment)
        for deployment in troubled:
            await self._keeper.list_troubles(session, canary, deployment)
        self._queue.add(session.key, SOON)
        return PODS_AGAIN if unseen or templates else TROUBLE_AGAIN

    def _schedule(
        self, key: Key, session: Session, decision: Decision, failure: WriteFailed | None, *, again: float | None
    ) -> None:
        if failure is not None:
            if failure.direction is Direction.DOWN:
                self._queue.add_after(key, self._pause(failure.cause), URGENT)
            return
        if again is not None:
            self._queue.add_after(key, again, SOON)
            return
        if session.version_problem:
            self._queue.add_after(key, DISCOVER_AGAIN)
        if decision.wake_at is not None:
            self._queue.add_after(key, self._left(decision.wake_at))

    def _pause(self, error: Exception) -> float:
        """Before the next try of a lowering: jitter, or what the API server asks for, never a growing back-off."""
        asked = error.retry_after if isinstance(error, Throttled) and error.retry_after else 0.0
        return min(max(asked, self._rng.uniform(0.05, 0.5)), 30.0)

    def _failed(self, session: Session, failure: WriteFailed) -> Decision:
        if isinstance(failure.cause, REFUSALS):
            session.write_problem = f"the API server refuses the write of the TrafficSplit: {failure.cause}"
            return Decision(outlook=Outlook("TrafficWriteRefused", session.write_problem, blocked=True))
        _log.warning("write failed", canary=session.regarding, direction=failure.direction, error=str(failure.cause))
        return Decision(outlook=Outlook("WaitingForTrafficSplit", f"the API server does not answer: {failure.cause}"))

    async def _choose_version(self, session: Session, canary: Canary, owner: Owner | None) -> None:
        """The version pinned in the record while it is served and nothing else is asked for; else by discovery."""
        if owner is None:
            return
        stored = self._world.split(owner)
        matches = stored is not None and bool(stored.spec.matches)
        pinned = record_of(canary).split_version
        asked = session.asked_version
        try:
            served = await self._discovery.served()
            if asked == "Auto" and pinned.rpartition("/")[2] in served.versions and not matches:
                asked = pinned
            session.version = await self._discovery.version(asked, matches=matches)
            session.version_problem, session.version_missing = "", False
        except VersionError as error:
            session.version_problem, session.version_missing = str(error), isinstance(error, NoTrafficSplit)
            # What is asked for cannot be had, but traffic can still be taken back in a version that is served.
            keeps = isinstance(error, VersionNotServed) and stored is not None
            session.version = await self._discovery.version(matches=matches) if keeps else None
            if not keeps:
                self._discovery.invalidate()
        except KubeError:
            # What was chosen before still is the best guess; without one there is nothing to be done yet.
            if session.version is None:
                raise

    def _cached_split(self, session: Session, owner: Owner | None) -> tuple[Split | None, bool]:
        if owner is None:
            return None, True
        stored = self._world.split(owner)
        if stored is None:
            return None, session.version is None or self._world.splits.synced
        return split_view(stored, owner), True

    def _session(self, key: Key, canary: Canary) -> Session:
        session = self.sessions.get(key)
        if session is None or session.uid != canary.metadata.uid:
            self._groups.unsubscribe(key)
            session = self.sessions[key] = Session(
                key, canary.metadata.uid, self._actor.now().monotonic, self._sources.errors
            )
        return session

    def _forget(self, key: Key) -> None:
        self.sessions.pop(key, None)
        self._readings.pop(key, None)
        self._listed_at.pop(key, None)
        self._groups.unsubscribe(key)
        self._world.interests.drop(key)
        self._kinds.note(key, managed=False)
        namespace = key[0]
        self._watches.set_managed(namespace, self._kinds.wanted(namespace))
        names = self._world.interests.services(namespace)
        self._watches.set_names(namespace, names)
        self._world.pods.drop(namespace, names)
        self._telemetry.dropped(key)


def _with_refusal(decision: Decision, problem: str) -> Decision:
    """What the API server refuses to do to the workload, where nothing else is in the way."""
    outlook = decision.outlook
    if not problem or outlook is None or outlook.blocked or outlook == FINALIZE:
        return decision
    refused = Outlook("WorkloadWriteRefused", problem, blocked=True)
    return msgspec.structs.replace(decision, outlook=refused)


def _draining(observed: Observed, session: Session) -> bool:
    """Managed mode: whether requests still come to pods that are to be stopped is read from the metrics, too."""
    workload = observed.workload
    return (
        workload is not None
        and workload.candidate is not None
        and bool(workload.candidate.replicas and not session.memory.quiet)
    )


def _suspicious(session: Session, reading: Reading) -> bool:
    plan = session.plan or session.last_plan
    if plan is None or not isinstance(reading, Window):
        return False
    return would_breach(session.memory, plan, reading)


def _repairs(change: Change) -> bool:
    """The write only puts back what somebody else has changed: it can go on for ever. A rollback is none of these."""
    return any(said.reason in ("DriftRepaired", "StateRebuilt") for said in change.state.said)
