"""The cached view of the cluster: stores that watches keep, and what they say of one Canary."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from canary.api.canary import Canary, Record, status_of
from canary.api.kinds import EndpointSlice, Service, TrafficSplit
from canary.api.names import ABORT_ANNOTATION, COMMAND_ANNOTATION
from canary.controller.interests import Interests
from canary.controller.managed.manifests import Manifests
from canary.controller.managed.observe import View
from canary.controller.managed.observer import Observer, Subject
from canary.controller.pods import PodIndex
from canary.controller.session import Session, named_root, named_target
from canary.core.observed import Observed, Side, Split
from canary.core.state import State
from canary.kube.own_writes import OwnWrites, version_of
from canary.kube.resources import DEPLOYMENTS
from canary.kube.store import Key, Store
from canary.metrics.proxies.source import ProxyPod
from canary.traffic.view import Owner
from canary.workload.ownership import CANARY_SUFFIX, STABLE_SUFFIX, stable_name
from canary.workload.sides import PodFacts, pod_names, ready_endpoints, root_problem, selects_canary, side_of
from canary.workload.targets import Workloads, workload_name, workloads_of

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


def _slice_service(piece: EndpointSlice) -> tuple[tuple[str, str], ...]:
    return ((piece.metadata.namespace, piece.metadata.labels.get(SERVICE_NAME_LABEL, "")),)


def _service_namespace(service: Service) -> tuple[str, ...]:
    return (service.metadata.namespace,)


def _canary_root(canary: Canary) -> tuple[tuple[str, str], ...]:
    return ((canary.metadata.namespace, named_root(canary)),)


def _canary_deployments(canary: Canary) -> tuple[tuple[str, str], ...]:
    """The target of managed mode and its stable copy."""
    target, namespace = named_target(canary), canary.metadata.namespace
    return ((namespace, target), (namespace, stable_name(target))) if target else ()


def _split_root(split: TrafficSplit) -> tuple[tuple[str, str], ...]:
    return ((split.metadata.namespace, split.spec.service),)


class World:
    """`slices_known(namespace, service)` and `services_known(namespace)` tell what has been read at least once,
    `slices_watched(namespace)` whether there is a watch that would tell of news."""

    def __init__(
        self,
        pods: PodIndex,
        slices_known: Callable[[str, str], bool],
        slices_watched: Callable[[str], bool],
        services_known: Callable[[str], bool],
        manifests: Manifests,
        manifests_known: Callable[[str], bool],
        *,
        secrets: bool = False,
    ) -> None:
        self.canaries: Store[Canary] = Store({"root": _canary_root, "deployment": _canary_deployments})
        self.splits: Store[TrafficSplit] = Store({"root": _split_root})
        self._written_splits: OwnWrites[Key, TrafficSplit] = OwnWrites(manifests.clock.monotonic)
        self.splits.subscribe(self._written_splits.told)
        self._read_canaries: OwnWrites[Key, Canary] = OwnWrites(manifests.clock.monotonic)
        self.canaries.subscribe(self._read_canaries.told)
        self.services: Store[Service] = Store({"namespace": _service_namespace})
        self.slices: Store[EndpointSlice] = Store({"service": _slice_service})
        self.pods = pods
        self.interests = Interests()
        self._slices_known = slices_known
        self._slices_watched = slices_watched
        self._services_known = services_known
        self.manifests = manifests
        self._observer = Observer(
            manifests,
            self.services,
            self.canaries,
            known=lambda namespace: services_known(namespace) and manifests_known(namespace),
            secrets=secrets,
        )

    def owner(self, session: Session, canary: Canary) -> Owner | None:
        """Who asks for which split; `None` while nothing says what the root is."""
        if not session.root:
            return None
        namespace, name = session.key
        return Owner(namespace, name, session.uid, session.root, record_of(canary).split_uid)

    def canary(self, key: Key) -> Canary | None:
        """The Canary as the watch tells of it, or as it was read since."""
        return self._read_canaries.current(key, self.canaries.get(*key))

    def read_canary(self, key: Key, found: Canary) -> None:
        """A live read gave `found`."""
        self._read_canaries.note(key, found, over=version_of(self.canaries.get(*key)))

    def split(self, owner: Owner) -> TrafficSplit | None:
        """The split as the watch tells of it, or as our last write left it, until the watch has told of that."""
        key = owner.namespace, owner.root
        return self._written_splits.current(key, self.splits.get(*key))

    def wrote_split(self, owner: Owner, made: TrafficSplit) -> None:
        """A write of ours was accepted: `made` is what the server has now."""
        key = owner.namespace, owner.root
        self._written_splits.note(key, made, over=version_of(self.splits.get(*key)))

    def observe(
        self,
        session: Session,
        canary: Canary,
        split: Split | None,
        *,
        split_known: bool = True,
        live: bool = False,
        slices: Iterable[EndpointSlice] | None = None,
    ) -> Observed:
        """What is known of one Canary. `live`: the split was read for this; `slices` are endpoints that were, too, in
        place of the cached ones."""
        namespace, name = session.key[0], session.root
        root = self.services.get(namespace, name) if name else None
        state = split.state if split else None
        annotations = canary.metadata.annotations
        subject = self.subject(session, canary)
        problem = root_problem(name, root) if name and self._services_known(namespace) else ""
        if subject is not None and root is None:
            problem = ""  # It is made.
        workload = self._observer.view(subject, state).workload if subject is not None else None
        sides = self._sides(session, state, root, None if slices is None else tuple(slices))
        if subject is not None:
            sides = self._named(subject, sides)
        return Observed(
            uid=session.uid,
            plan=session.plan,
            invalid=session.invalid,
            last_plan=session.last_plan,
            split=split,
            split_known=split_known,
            sides=sides,
            workload=workload,
            deleted_at=session.findings.deleted_at,
            record=record_of(canary),
            command=annotations.get(COMMAND_ANNOTATION, ""),
            abort=annotations.get(ABORT_ANNOTATION, ""),
            deleting=canary.metadata.deletion_timestamp is not None,
            root_problem=problem,
            root_note=self._root_note(session, state, root),
            target_problem=self._target_problem(session, state),
            version_problem=session.version_problem,
            version_missing=session.version_missing,
            conflict=self._conflict(namespace, name) if name else "",
            rival=self._rival(canary, name) if name else "",
            adopt=session.adopt,
            live=live,
        )

    def subject(self, session: Session, canary: Canary) -> Subject | None:
        """What managed mode looks at; `None` in services mode, or while no spec was valid."""
        if session.spec is None or session.spec.target_ref is None:
            return None
        return Subject(session.key, canary, session.spec, session.findings)

    def lacks_copy(self, subject: Subject) -> bool:
        """Whether it is certain, now, that there is no stable copy: what the last look saw may be older."""
        return self._observer.lacks_copy(subject)

    def workload_view(self, session: Session, canary: Canary) -> View | None:
        """The workload of a Canary in managed mode, as the last look has left it."""
        return session.findings.view if self.subject(session, canary) is not None else None

    def desired_workloads(self, session: Session) -> tuple[tuple[str, int], ...]:
        """What the two Deployments of managed mode ask for, as far as that is known; empty in services mode."""
        if session.spec is None or session.spec.target_ref is None:
            return ()
        target = session.spec.target_ref.name
        found = (self.manifests.get(DEPLOYMENTS, session.key[0], name) for name in (target, stable_name(target)))
        return tuple(manifest.desired if manifest is not None else ("", 0) for manifest in found)

    def services_are_late(self, session: Session) -> bool:
        """Whether the watch of Services has not told of what this process has written to those of a Canary."""
        namespace = session.key[0]

        def version(name: str) -> str:
            stored = self.services.get(namespace, name)
            return stored.metadata.resource_version if stored is not None else ""

        return self.manifests.late_services(session.root, namespace, version)

    def _named(self, subject: Subject, sides: dict[str, Side]) -> dict[str, Side]:
        target, copy = subject.deployments
        root = subject.spec.service.name
        by_service = {f"{root}{STABLE_SUFFIX}": copy, f"{root}{CANARY_SUFFIX}": target}
        return {
            name: self._observer.named(subject, side, by_service[name]) if name in by_service else side
            for name, side in sides.items()
        }

    def unseen_templates(self, session: Session, canary: Canary, state: State | None) -> list[str]:
        """The target, when it has ready pods whose template has not been looked at."""
        subject = self.subject(session, canary)
        if subject is None:
            return []
        service = f"{subject.spec.service.name}{CANARY_SUFFIX}"
        seen = {fact.hash for fact in self._ready_pods(session, service).values()}
        known = session.findings.templates.get(subject.target, {}).keys()
        return [] if seen <= known else [subject.target]

    def _sides(
        self, session: Session, state: State | None, root: Service | None, live: tuple[EndpointSlice, ...] | None
    ) -> dict[str, Side]:
        namespace, sides = session.key[0], {}
        watched = live is not None or self._slices_watched(namespace)
        for name in session.services(state):
            slices = self._slices(namespace, name, live)
            known = live is not None or self._slices_known(namespace, name)
            service = self.services.get(namespace, name)
            facts = self.pods.facts(namespace, name)
            looping = session.findings.looping
            sides[name] = side_of(name, service, slices, facts, root, known=known, watched=watched, looping=looping)
        return sides

    def _slices(
        self, namespace: str, service: str, live: tuple[EndpointSlice, ...] | None = None
    ) -> Iterable[EndpointSlice]:
        if live is not None:
            return [piece for piece in live if piece.metadata.labels.get(SERVICE_NAME_LABEL) == service]
        return self.slices.indexed("service", (namespace, service))

    def unseen_pods(self, session: Session, state: State | None) -> list[Service]:
        """Services whose pods must be listed before their revision is known."""
        namespace, found = session.key[0], []
        plan = session.plan or session.last_plan
        # What the stable copy runs is known without its pods; only who reads the proxies themselves must know them.
        apart = plan.stable if plan is not None and plan.target and plan.source != "Proxies" else ""
        for name in session.services(state):
            if name == apart:
                continue
            service = self.services.get(namespace, name)
            names = pod_names(ready_endpoints(self._slices(namespace, name)))
            if service is not None and self.pods.missing(namespace, name, names):
                found.append(service)
        return found

    def workloads(self, session: Session, state: State) -> Workloads | None:
        """Whose metrics are read for the two sides of a rollout."""
        if session.target is not None:
            return Workloads(*session.target)
        if session.spec is not None and session.spec.target_ref is not None:
            target = session.spec.target_ref.name
            return Workloads("Deployment", (stable_name(target),), (target,))
        return workloads_of(self._ready_pods(session, state.serving), self._ready_pods(session, state.canary))

    def _ready_pods(self, session: Session, service: str) -> dict[str, PodFacts]:
        namespace = session.key[0]
        facts = self.pods.facts(namespace, service)
        names = pod_names(ready_endpoints(self._slices(namespace, service)))
        return {name: facts[name] for name in names if name in facts}

    def proxies(self, namespace: str, kind: str, names: frozenset[str]) -> dict[str, tuple[ProxyPod, ...]]:
        """The ready pods of workloads, by the workload's name, as far as some Canary's Services select them.

        A pod with two addresses is read at that of IPv4, whichever slice comes first: proxies that listen to one family
        listen to that one.
        """
        found: dict[str, dict[str, ProxyPod]] = {name: {} for name in names}
        for service in self.interests.services(namespace):
            facts = self.pods.facts(namespace, service)
            for address, endpoint in ready_endpoints(self._slices(namespace, service)).items():
                pod = endpoint.target_ref
                if pod is None or pod.kind != "Pod":
                    continue
                owner = workload_name(kind, service, pod.name, facts.get(pod.name))
                if owner in found and (pod.name not in found[owner] or ":" not in address):
                    found[owner][pod.name] = ProxyPod(pod.name, address, pod.uid or pod.name)
        return {name: tuple(pods.values()) for name, pods in found.items()}

    def _target_problem(self, session: Session, state: State | None) -> str:
        managed = session.plan is not None and bool(session.plan.target)
        if state is None or not state.running or session.target is not None or managed:
            return ""
        ready = ready_endpoints(self._slices(session.key[0], state.canary))
        if ready and not pod_names(ready):
            return f"no pods are behind Service {state.canary}: name the workloads in spec.analysis.target"
        return ""

    def _root_note(self, session: Session, state: State | None, root: Service | None) -> str:
        if state is None or not state.canary or state.canary == state.serving:
            return ""
        return selects_canary(root, self.services.get(session.key[0], state.canary))

    def _conflict(self, namespace: str, root: str) -> str:
        others = [s.metadata.name for s in self.splits.indexed("root", (namespace, root)) if s.metadata.name != root]
        return f"TrafficSplit {others[0]} splits Service {root} as well: delete it" if others else ""

    def _rival(self, canary: Canary, root: str) -> str:
        """Another Canary of the same root that was there before."""
        namespace = canary.metadata.namespace
        older = [c for c in self.canaries.indexed("root", (namespace, root)) if _age(c) < _age(canary)]
        first = min(older, key=_age, default=None)
        if first is None:
            return ""
        return f"Canary {first.metadata.name} is older and controls Service {root}: delete one of the two"


def _age(canary: Canary) -> tuple[str, str]:
    return canary.metadata.creation_timestamp or "", canary.metadata.name


def record_of(canary: Canary) -> Record:
    return status_of(canary).record or Record()
