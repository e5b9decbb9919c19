"""An application on the real control plane, with a Canary and the controllers that a test wants; and its judges.

`judge` holds every stored change against the invariants of a rollout, every raise against what the metrics server
really answered, and every status against what Argo CD, Flux and kubectl make of it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from canary.api.canary import CanaryStatus
from canary.api.names import API_VERSION, FINALIZER, KIND, STATE_ANNOTATION
from canary.core.state import State, decode_state
from canary.sandbox.judges import consistent
from canary.sandbox.oracle import Oracle
from e2e.commits import Commit, CommitLog
from e2e.controller import ControllerProcess, Installation, install
from e2e.plane import AuditEvent, Mark, Plane
from e2e.plane.api import RequestFailed
from e2e.smi_endpoint import SmiEndpoint
from e2e.smi_wire import Numbers

NAME = "web"
OLD, NEW = "web-v1", "web-v2"
WORKING = Numbers(rate=100)
FAILING = Numbers(rate=100, errors=0.2)
SLOW = Numbers(rate=1000, p99=900)
CANARIES = "/apis/canary.delivery/v1beta1/namespaces/{namespace}/canaries"
SPLITS = "/apis/split.smi-spec.io/v1alpha4/namespaces/{namespace}/trafficsplits"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{namespace}/deployments"
SERVICES = "/api/v1/namespaces/{namespace}/services"
EVENTS = "/apis/events.k8s.io/v1/namespaces/{namespace}/events"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
HELD: dict[str, Any] = {"steps": [{"weight": 20, "hold": "2m"}, {"weight": 100, "hold": "1s"}]}
"""A plan that stays at 20 % until somebody does something."""
THREE: dict[str, Any] = {
    "steps": [{"weight": 20, "hold": "1s"}, {"weight": 60, "hold": "1s"}, {"weight": 100, "hold": "1s"}]
}
TIMEOUT = 30.0
EVENTS_AFTER = 20.0
"""Seconds that an event may come late: posts back off while the API server is away."""


class TimedOut(AssertionError):
    """What was waited for did not come; the message says how things stood."""


class Shop:
    """Services `web` (the root), `web-v1` and `web-v2`, a Deployment behind each version, and the Canary `web`."""

    def __init__(self, plane: Plane, commits: CommitLog, smi: SmiEndpoint, helm: Path, namespace: str) -> None:
        self.plane = plane
        self.smi = smi
        self.namespace = namespace
        self.controllers: list[ControllerProcess] = []
        self.mark = plane.audit.mark()
        self.gone = False
        self.smi_measures = True
        """Whether raises are held against what the SMI metrics server answered: not where others are the source."""
        self._commits = commits
        self._helm = helm
        self._installation: Installation | None = None

    # What a user does.

    def open(self, *, root: bool = True) -> None:
        """Runs both versions, with working numbers for both."""
        for name in (OLD, NEW):
            self.create(DEPLOYMENTS, deployment(name))
            self.create(SERVICES, service(name, {"app": name}))
            self.numbers(name, WORKING)
        if root:
            self.create(SERVICES, service(NAME, {"app": OLD}))
        self.until(lambda: all(self.ready_endpoints(name) for name in (OLD, NEW)), "ready endpoints")

    def create_second(self, root: str) -> None:
        """Another root Service over the same two versions."""
        self.create(SERVICES, service(root, {"app": OLD}))

    def roll_out(self, **spec: Any) -> None:
        """Creates the Canary; `spec` replaces fields of `canary_spec`."""
        self.create(CANARIES, {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": NAME}} | canary_spec(spec))

    def numbers(self, name: str, numbers: Numbers | None) -> None:
        """What the metrics server says of a version from now on."""
        self.smi.set(self.namespace, name, numbers)

    def command(self, verb: str) -> None:
        """A command as the CLI gives it, for the revision under trial."""
        self.annotate(command=f"{verb}@{self.status().canary_revision}@{time.time_ns()}")

    def annotate(self, **annotations: str | None) -> None:
        named = {f"canary.delivery/{key}": value for key, value in annotations.items()}
        self.patch(CANARIES, NAME, {"metadata": {"annotations": named}})

    def patch_spec(self, fields: dict[str, Any], *, refused: bool = False) -> None:
        """Changes the Canary's spec; with `refused` the API server must not let it through."""
        try:
            self.patch(CANARIES, NAME, {"spec": fields})
        except RequestFailed as error:
            if not refused or error.code != 422:
                raise
        else:
            assert not refused, f"{fields} was accepted"

    def new_revision(self, name: str = NEW) -> None:
        """Another pod template, as a deploy of the next version makes it."""
        template = {"metadata": {"annotations": {"deployed": str(time.time_ns())}}}
        self.patch(DEPLOYMENTS, name, {"spec": {"template": template}})

    def edit_weight(self, weight: int) -> None:
        """Somebody's edit of the split: so much for the canary."""
        backends = [{"service": NEW, "weight": weight}, {"service": OLD, "weight": 100 - weight}]
        self.patch(SPLITS, NAME, {"spec": {"backends": backends}})

    def create(self, collection: str, obj: dict[str, Any]) -> Any:
        return self.plane.api.json("POST", collection.format(namespace=self.namespace), obj)

    def patch(self, collection: str, name: str, patch: Any, content_type: str = MERGE) -> Any:
        path = f"{collection.format(namespace=self.namespace)}/{name}"
        return self.plane.api.json("PATCH", path, patch, content_type=content_type)

    def delete(self, collection: str, name: str, propagation: str = "Background") -> None:
        path = f"{collection.format(namespace=self.namespace)}/{name}"
        self.plane.api.json("DELETE", path, {"propagationPolicy": propagation})

    def delete_namespace(self) -> None:
        """With everything in it; what was told goes as well."""
        self.gone = True
        self.plane.api.json("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def kubectl(self, *arguments: str, timeout: float = TIMEOUT) -> str:
        """What kubectl prints, in this namespace; it must succeed."""
        done = self.plane.kubectl("--namespace", self.namespace, *arguments, timeout=timeout)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # Controllers.

    def install(self, *, leader_elect: bool = False, everywhere: str = "") -> Installation:
        """Gives the rights of the chart, once; `everywhere` is the namespace from which all namespaces are served."""
        if self._installation is None:
            home = everywhere or self.namespace
            self._installation = install(
                self.plane, self._helm, home, leader_elect=leader_elect, everywhere=bool(everywhere)
            )
        return self._installation

    def start(
        self, name: str = "one", *, leader_elect: bool = False, wait: bool = True, options: tuple[str, ...] = ()
    ) -> ControllerProcess:
        """Starts one more controller, with `options` beside those of the chart."""
        log = self.plane.directory / f"controller.{self.namespace}.{name}.log"
        installation = self.install(leader_elect=leader_elect)
        installation = replace(installation, arguments=(*installation.arguments, *options))
        controller = ControllerProcess(name, installation, log)
        self.controllers.append(controller)
        controller.start(wait=wait)
        return controller

    def requests(self, mark: Mark) -> list[AuditEvent]:
        """What the controllers have asked the API server for since `mark`."""
        return self.plane.audit.since(mark, user=self.install().user.name)

    # How things stand.

    def get(self, collection: str, name: str = NAME) -> dict[str, Any] | None:
        """An object as the API server gives it, or `None`."""
        with suppress(OSError, RequestFailed):
            found: dict[str, Any] = self.plane.api.json("GET", f"{collection.format(namespace=self.namespace)}/{name}")
            return found
        return None

    def object(self, plural: str) -> dict[str, Any] | None:
        """The Canary (`canaries`) or the split (`trafficsplits`) as it is stored."""
        for commit in reversed(self.commits(plural)):
            if commit.name == NAME:
                return commit.new
        return None

    def uid(self, plural: str) -> str:
        """The uid of the Canary or the split; empty without it."""
        return str((self.object(plural) or {"metadata": {}})["metadata"].get("uid", ""))

    def first_of(self, uid: str) -> dict[str, Any] | None:
        """An object as it was created."""
        return next((c.new for c in self.commits() if c.new and c.new["metadata"]["uid"] == uid), None)

    def commits(self, plural: str | None = None) -> list[Commit]:
        return self._commits.of(self.namespace, plural)

    def state(self) -> State | None:
        return state_of(self.object("trafficsplits"))

    def phase(self) -> str:
        state = self.state()
        return state.phase.value if state else ""

    def revision(self) -> str:
        """The revision under trial, or the one that was."""
        state = self.state()
        return state.revision if state else ""

    def failed(self) -> int:
        """Breached windows that the rollout has counted."""
        state = self.state()
        return state.failed if state else 0

    def annotations(self) -> dict[str, str]:
        """The annotations of the Canary."""
        found: dict[str, str] = (self.object("canaries") or {"metadata": {}})["metadata"].get("annotations", {})
        return found

    def weights(self) -> dict[str, int]:
        split = self.object("trafficsplits")
        return weights_of(split) if split else {}

    def weight(self) -> int:
        """The canary's weight in the split."""
        return self.weights().get(NEW, 0)

    def weight_of(self, root: str) -> int:
        """The canary's weight in the split of another root."""
        found = [c.new for c in self.commits("trafficsplits") if c.name == root]
        return weights_of(found[-1]).get(NEW, 0) if found else 0

    def raised(self) -> list[int]:
        """Every weight of the canary that was ever stored, without repetitions."""
        found = [weights_of(c.new).get(NEW, 0) for c in self.commits("trafficsplits") if c.new]
        return [weight for index, weight in enumerate(found) if index == 0 or weight != found[index - 1]]

    def status(self) -> CanaryStatus:
        return msgspec.convert((self.object("canaries") or {}).get("status", {}), CanaryStatus)

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition; empty words without it."""
        found = (c for c in self.status().conditions if c.type == kind)
        return next(((c.status, c.reason) for c in found), ("", ""))

    def condition_message(self, kind: str) -> str:
        """The message of a condition; empty without it."""
        return next((c.message for c in self.status().conditions if c.type == kind), "")

    def events(self) -> list[tuple[str, str]]:
        """Reason and note of every event about the Canary, in the order in which they were made."""
        return [(e["reason"], e.get("note", "")) for e in self._events()]

    def _events(self) -> list[dict[str, Any]]:
        items = self.plane.api.json("GET", EVENTS.format(namespace=self.namespace))["items"]
        ours = [e for e in items if e["regarding"]["kind"] == KIND]
        ours.sort(key=lambda e: int((e["metadata"].get("annotations") or {}).get("canary.delivery/seq", 0)))
        return ours

    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.events()]

    def ready_endpoints(self, name: str) -> int:
        path = f"{SLICES.format(namespace=self.namespace)}?labelSelector=kubernetes.io/service-name%3D{name}"
        items = self.plane.api.json("GET", path)["items"]
        return sum(e["conditions"]["ready"] for piece in items for e in piece.get("endpoints") or ())

    def until(self, reached: Callable[[], Any], what: str, timeout: float = TIMEOUT) -> float:
        """Waits until `reached`; the seconds it took. Raises `TimedOut`."""
        began = time.monotonic()
        while not reached():
            if time.monotonic() - began > timeout:
                raise TimedOut(f"no {what} after {timeout:g} s\nstate {self.state()}\nstatus {self.status()}")
            self._commits.wait(0.1)
        return time.monotonic() - began

    def until_phase(self, *phases: str, timeout: float = TIMEOUT) -> float:
        return self.until(lambda: self.phase() in phases, " or ".join(phases), timeout)

    def until_weight(self, weight: int, timeout: float = TIMEOUT) -> float:
        return self.until(lambda: self.weight() == weight, f"weight {weight}", timeout)

    def until_told(self, phase: str, timeout: float = TIMEOUT) -> None:
        """Until the status has the phase and has caught up with the split."""

        def told() -> bool:
            status, state = self.status(), self.state()
            return status.phase == phase and state is not None and (status.record or state).seq == state.seq

        self.until(told, f"status {phase}", timeout)

    # The end.

    def close(self) -> None:
        """Ends the controllers, and lets go of the Canary so that its namespace can go."""
        for controller in self.controllers:
            controller.thaw()
            controller.kill()
        with suppress(RequestFailed, OSError):
            self.patch(CANARIES, NAME, {"metadata": {"finalizers": None}})

    def judge(self) -> None:
        """Raises `AssertionError` with everything that is wrong with what was stored, asked for or logged."""
        self._commits.flush()
        problems = [
            *self._violations(),
            *self._contradictions(),
            *(() if self.gone else self._untold()),
            *self._refused(),
            *self._told_secrets(),
            *(failure for controller in self.controllers for failure in controller.failures()),
        ]
        assert not problems, "\n".join(problems)

    def _violations(self) -> Iterator[str]:
        answers = self.smi.answers(self.namespace) if self.smi_measures else None
        oracle = Oracle(self.namespace, NAME, NAME, answers=answers)
        yield from map(str, oracle.feed(self.commits()).violations)

    def _contradictions(self) -> Iterator[str]:
        for commit in self.commits("canaries"):
            if commit.new is not None and commit.name == NAME:
                # The default that readers see is not stored.
                words = consistent({"status": {"observedGeneration": -1}, **commit.new})
                yield from (f"status at revision {commit.revision}: {word}" for word in words)

    def _untold(self) -> Iterator[str]:
        """Events that are missing, or there twice: every write of a split says what it does, once."""
        wanted = Counter(
            (state.uid, state.seq, said.reason)
            for c in self.commits("trafficsplits")
            if (state := state_of(c.new)) and _first(c)
            for said in state.said
        )
        deadline = time.monotonic() + EVENTS_AFTER
        while (told := self._told()) != wanted and time.monotonic() < deadline:
            time.sleep(0.1)
        for mark in sorted((wanted - told).keys() | (told - wanted).keys()):
            _, seq, reason = mark
            yield f"event {reason} of seq {seq} is there {told[mark]} times, {wanted[mark]} were said"

    def _told(self) -> Counter[tuple[str, int, str]]:
        """Events of writes of the split: what is done beside it has no number there."""
        marked = ((e, (e["metadata"].get("annotations") or {}).get("canary.delivery/seq")) for e in self._events())
        return Counter((e["regarding"]["uid"], int(seq), e["reason"]) for e, seq in marked if seq is not None)

    def _told_secrets(self) -> Iterator[str]:
        """S23: what proves who the controller is stands in nothing that it writes."""
        if self._installation is None:
            return
        token = self._installation.user.token
        for controller in self.controllers:
            if controller.log.exists() and token in controller.log.read_text(errors="replace"):
                yield f"S23: the log of {controller.name} has the token of its account"
        if any(token in json.dumps(commit.new) for commit in self.commits()):
            yield "S23: an object has the token of the controller's account"
        if token in json.dumps(self._events()):
            yield "S23: an event has the token of the controller's account"

    def _refused(self) -> Iterator[str]:
        """Requests for which the shipped rights do not suffice. Which version is stored may be unknown.

        An API server that has just started refuses everything until it has read the roles.
        """
        asked = self.requests(self.mark) if self._installation else ()
        allowed = {(e.verb, e.resource, e.subresource) for e in asked if e.code != 403}
        for event in asked:
            what = event.verb, event.resource, event.subresource
            if event.code == 403 and event.resource != "customresourcedefinitions" and what not in allowed:
                yield f"forbidden: {event.verb} {event.uri}"


def canary_spec(overrides: dict[str, Any]) -> dict[str, Any]:
    """`{"spec": …}` with steps and windows as short as they may be."""
    spec: dict[str, Any] = {
        "backends": {"stable": OLD, "canary": NEW},
        "service": {"name": NAME},
        "traffic": {"settle": "0s"},
        "steps": [{"weight": 20, "hold": "1s"}, {"weight": 100, "hold": "1s"}],
        "analysis": {"interval": "1s", "warmup": "0s"},
    }
    return {"spec": {**spec, **overrides}}


def deployment(name: str, **annotations: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def service(name: str, selector: dict[str, str]) -> dict[str, Any]:
    spec = {"selector": selector, "ports": [{"name": "http", "port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def state_of(split: dict[str, Any] | None) -> State | None:
    """What a split's annotation says."""
    return decode_state(split["metadata"].get("annotations", {}).get(STATE_ANNOTATION)) if split else None


def weights_of(split: dict[str, Any] | None) -> dict[str, int]:
    return {b["service"]: b["weight"] for b in (split or {}).get("spec", {}).get("backends") or ()}


def _first(commit: Commit) -> bool:
    """Whether the commit brought its state: others may change a split and leave the state as it is."""
    old, new = state_of(commit.old), state_of(commit.new)
    return new is not None and (old is None or old.id != new.id)


def has_finalizer(canary: dict[str, Any] | None) -> bool:
    return canary is not None and FINALIZER in canary["metadata"].get("finalizers", ())
