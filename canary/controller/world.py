"""The cached view of the cluster: stores that watches keep, and what they say of one Canary."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from canary.api.canary import Canary, Record, status_of
from canary.api.kinds import EndpointSlice, Service, TrafficSplit
from canary.api.names import ABORT_ANNOTATION, COMMAND_ANNOTATION
from canary.controller.interests import Interests
from canary.controller.pods import PodIndex
from canary.controller.session import Session
from canary.core.observed import Observed, Side, Split
from canary.core.state import State
from canary.kube.store import Store
from canary.traffic.view import Owner
from canary.workload.sides import PodFacts, pod_names, ready_endpoints, root_problem, selects_canary, side_of
from canary.workload.targets import Workloads, workloads_of

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


def _slice_service(piece: EndpointSlice) -> tuple[tuple[str, str], ...]:
    return ((piece.metadata.namespace, piece.metadata.labels.get(SERVICE_NAME_LABEL, "")),)


def _split_root(split: TrafficSplit) -> tuple[tuple[str, str], ...]:
    return ((split.metadata.namespace, split.spec.service),)


class World:
    """`slices_known(namespace, service)` and `services_known(namespace)` tell what has been read at least once."""

    def __init__(
        self, pods: PodIndex, slices_known: Callable[[str, str], bool], services_known: Callable[[str], bool]
    ) -> None:
        self.canaries: Store[Canary] = Store()
        self.splits: Store[TrafficSplit] = Store({"root": _split_root})
        self.services: Store[Service] = Store()
        self.slices: Store[EndpointSlice] = Store({"service": _slice_service})
        self.pods = pods
        self.interests = Interests()
        self._slices_known = slices_known
        self._services_known = services_known

    def owner(self, session: Session, canary: Canary) -> Owner | None:
        """Who asks for which split; `None` while nothing says what the root is."""
        if not session.root:
            return None
        namespace, name = session.key
        return Owner(namespace, name, session.uid, session.root, record_of(canary).split_uid)

    def observe(
        self,
        session: Session,
        canary: Canary,
        split: Split | None,
        *,
        split_known: bool = True,
        slices: Iterable[EndpointSlice] | None = None,
    ) -> Observed:
        """What is known of one Canary. `slices` are endpoints that were read live, in place of the cached ones."""
        namespace, name = session.key[0], session.root
        root = self.services.get(namespace, name) if name else None
        state = split.state if split else None
        annotations = canary.metadata.annotations
        problem = root_problem(name, root) if name and self._services_known(namespace) else ""
        return Observed(
            uid=session.uid,
            plan=session.plan,
            invalid=session.invalid,
            last_plan=session.last_plan,
            split=split,
            split_known=split_known,
            sides=self._sides(session, state, root, None if slices is None else tuple(slices)),
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
            adopt=session.adopt,
            live=slices is not None,
        )

    def _sides(
        self, session: Session, state: State | None, root: Service | None, live: tuple[EndpointSlice, ...] | None
    ) -> dict[str, Side]:
        namespace, sides = session.key[0], {}
        for name in session.services(state):
            slices = self._slices(namespace, name, live)
            known = live is not None or self._slices_known(namespace, name)
            service = self.services.get(namespace, name)
            facts = self.pods.facts(namespace, name)
            sides[name] = side_of(name, service, slices, facts, root, known=known)
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
        for name in session.services(state):
            service = self.services.get(namespace, name)
            names = pod_names(ready_endpoints(self._slices(namespace, name)))
            if service is not None and self.pods.missing(namespace, name, names):
                found.append(service)
        return found

    def workloads(self, session: Session, state: State) -> Workloads | None:
        """Whose metrics are read for the two sides of a rollout."""
        if session.target is not None:
            return Workloads(*session.target)
        return workloads_of(self._ready_pods(session, state.serving), self._ready_pods(session, state.canary))

    def _ready_pods(self, session: Session, service: str) -> dict[str, PodFacts]:
        namespace = session.key[0]
        facts = self.pods.facts(namespace, service)
        names = pod_names(ready_endpoints(self._slices(namespace, service)))
        return {name: facts[name] for name in names if name in facts}

    def _target_problem(self, session: Session, state: State | None) -> str:
        if state is None or not state.running or session.target is not None:
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


def record_of(canary: Canary) -> Record:
    return status_of(canary).record or Record()
