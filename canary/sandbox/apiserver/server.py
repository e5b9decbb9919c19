"""The API server: a request in, a response or a watch out. No sockets and no tasks.

`canary.sandbox.apiserver.direct` and `canary.sandbox.apiserver.http` put it within reach of clients.
"""

from __future__ import annotations

import inspect
import random
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from canary.kube.clock import Clock
from canary.kube.transport import Response
from canary.sandbox.apiserver import openapi
from canary.sandbox.apiserver.builtin import NAMESPACES, SERVICES
from canary.sandbox.apiserver.cluster import Call, Cluster
from canary.sandbox.apiserver.commitlog import CommitLog
from canary.sandbox.apiserver.content import APPLY, answer, encode, media_type
from canary.sandbox.apiserver.controllers import Controllers
from canary.sandbox.apiserver.discovery import answer as discover
from canary.sandbox.apiserver.faults import Faults
from canary.sandbox.apiserver.garbage import own_call
from canary.sandbox.apiserver.objects import Object
from canary.sandbox.apiserver.options import check_options
from canary.sandbox.apiserver.registry import Aggregated, Handler
from canary.sandbox.apiserver.request import Request, Target, parse_target, verb_of
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.status import (
    Refused,
    bad_request,
    method_not_allowed,
    not_found,
    unknown_path,
    unknown_resource,
)
from canary.sandbox.apiserver.storage import Storage
from canary.sandbox.apiserver.verbs import modifying, reading, removing
from canary.sandbox.apiserver.verbs.reviews import review
from canary.sandbox.apiserver.verbs.scaling import scale
from canary.sandbox.apiserver.watch import WatchStream, watch
from canary.sandbox.apiserver.writing import create

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.1",
    "gitCommit": "756939600b9a7180fb2df6550a4585b638875e7e",
    "gitTreeState": "clean",
    "buildDate": "2026-05-12T09:38:46Z",
    "goVersion": "go1.26.2",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_HEALTH = ("/livez", "/readyz", "/healthz")
_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_OWN_SERVICE: Object = {
    "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
    "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
}

Verb = Callable[[Cluster, Call], Response]
_VERBS: dict[str, Verb] = {
    "get": reading.get,
    "list": reading.listing,
    "create": modifying.post,
    "update": modifying.put,
    "patch": modifying.patch,
    "delete": removing.delete_one,
    "deletecollection": removing.delete_many,
}


@dataclass(frozen=True, slots=True)
class Answered:
    """What an aggregated API has answered with status 200: when, to whom, and to which path and query."""

    monotonic: float
    user_agent: str
    path: str
    query: Mapping[str, str]
    body: bytes


class ApiServer:
    """A cluster's API. `clock` and `rng` decide all times and identities, so that equal runs give equal objects.

    `commits` is the log of accepted writes, `answered` that of what aggregated APIs said, `requests` how many came, and
    `faults` what goes wrong on purpose. `handle` must be called inside a running event loop; a watch that it returns
    belongs to that loop.
    """

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._cluster = Cluster(clock, rng)
        self._controllers = Controllers(self._cluster)
        self._started = False
        self._documents: tuple[int, dict[str, Object]] = (0, {})
        # Numbered, so that they are cut in the order in which they were opened: equal runs stay equal.
        self._watches: weakref.WeakValueDictionary[int, WatchStream] = weakref.WeakValueDictionary()
        self._watch_count = 0
        self.faults = Faults(rng)
        self.answered: list[Answered] = []
        self.requests = 0

    @property
    def commits(self) -> CommitLog:
        return self._cluster.commits

    @property
    def storage(self) -> Storage:
        return self._cluster.storage

    def compact(self) -> None:
        """Forget all history: watches from older versions and pages of older lists get 410."""
        self._cluster.storage.compact()
        self._cluster.storage.wake_all()

    @property
    def open_watches(self) -> int:
        """How many watches have not ended."""
        return sum(stream.open for stream in tuple(self._watches.values()))

    def cut_watches(self) -> None:
        """Reset the connection of every watch, as a restart of the server does."""
        for stream in tuple(self._watches.values()):
            stream.break_off()

    def aggregate(self, group: str, version: str, resources: Iterable[Object], handler: Handler) -> None:
        """Let `handler` answer for a group and version; `resources` are APIResource objects for discovery."""
        self._cluster.registry.set_aggregated(Aggregated(group, version, tuple(resources), handler))

    def note_answer(self, request: Request, response: Response) -> None:
        """Keep what an aggregated API has answered, as it goes out."""
        parts = request.path.split("/", 4)
        if response.status == 200 and len(parts) > 4 and self._cluster.registry.aggregated(parts[2], parts[3]):
            now = self._cluster.clock.monotonic()
            self.answered.append(Answered(now, request.user_agent, request.path, request.query, response.body))

    def disaggregate(self, group: str, version: str) -> None:
        """Stop serving an aggregated API."""
        self._cluster.registry.drop_aggregated(group, version)

    async def answer(self, request: Request) -> Response | WatchStream:
        """`handle`, and aggregated APIs too."""
        self.requests += 1
        parts = request.path.strip("/").split("/")
        api = self._cluster.registry.aggregated(parts[1], parts[2]) if len(parts) > 3 and parts[0] == "apis" else None
        if api is None:
            return self.handle(request)
        result: Response | Awaitable[Response] = api.handler(request)
        return await result if inspect.isawaitable(result) else result

    def handle(self, request: Request) -> Response | WatchStream:
        """Execute one request."""
        self._start()
        try:
            return self._route(request)
        except Refused as refusal:
            return refusal.response()
        finally:
            self._controllers.settle()

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        self._cluster.recording = False
        for name in _NAMESPACES:
            call = own_call(NAMESPACES, ("", ""), "create", "kube-apiserver")
            create(self._cluster, call, {"metadata": {"name": name}})
        create(self._cluster, own_call(SERVICES, ("default", ""), "create", "kube-apiserver"), _OWN_SERVICE)
        self._controllers.settle()
        self._cluster.recording = True

    def _route(self, request: Request) -> Response | WatchStream:
        target = parse_target(request.path)
        if target is None:
            return self._document(request)
        kind = self._cluster.registry.find(target.group, target.version, target.plural)
        if kind is None or (target.namespace and not kind.namespaced):
            return unknown_path()
        if not _has_subresource(kind, target):
            raise not_found(kind, target.name) if kind.custom else unknown_resource()
        call = _permitted(Call(request, target, kind, verb_of(request, target)))
        check_options(call)
        if "list" not in kind.verbs:
            return review(call)
        if call.verb == "watch":
            stream = watch(self._cluster, call)
            self._watch_count += 1
            self._watches[self._watch_count] = stream
            return stream
        if target.subresource == "scale":
            return scale(self._cluster, call)
        if call.verb == "list":
            stale = self.faults.take_staleness(request)
            return reading.listing(
                self._cluster, call, self._cluster.ago(stale.versions, stale.seconds) if stale else None
            )
        if call.verb == "patch" and media_type(request) == APPLY:
            return modifying.apply(self._cluster, call)
        return _VERBS[call.verb](self._cluster, call)

    def _document(self, request: Request) -> Response:
        path = request.path.rstrip("/") or "/"
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        if path == "/version":
            return answer(200, VERSION)
        if path.startswith(_HEALTH):
            return Response(200, b"ok", {"content-type": "text/plain; charset=utf-8"})
        if path.startswith("/openapi/v3"):
            return self._openapi(path.removeprefix("/openapi/v3").strip("/"))
        registry = self._cluster.registry
        found = discover(path, request.headers.get("accept", ""), registry.all(), registry.all_aggregated())
        if found is None:
            return unknown_path()
        return Response(200, encode(found.body), {"content-type": found.content_type})

    def _openapi(self, path: str) -> Response:
        registry = self._cluster.registry
        if self._documents[0] != registry.generation:
            self._documents = registry.generation, openapi.documents(registry.all())
        found = self._documents[1]
        if not path:
            return answer(200, openapi.index(found))
        return answer(200, found[path]) if path in found else unknown_path()


def _has_subresource(kind: ResourceType, target: Target) -> bool:
    match target.subresource:
        case "":
            return True
        case "status":
            return kind.status
        case "scale":
            return kind.scale is not None
    return False


_SUBRESOURCE_VERBS = ("get", "update", "patch")


def _permitted(call: Call) -> Call:
    """The call, if its method fits its path. Raises `Refused`: 400 or 405."""
    kind, target = call.kind, call.target
    if kind.custom and not target.subresource:
        # These are not routed by method, hence what is odd is found out later or never.
        if call.verb in ("update", "patch") and not target.name:
            raise bad_request("name must be provided")
        if call.verb == "create" and target.name:
            call = call.named("")
            target = call.target
    allowed = call.verb in kind.verbs
    if target.subresource:
        allowed = call.verb in _SUBRESOURCE_VERBS
    elif call.verb == "create":
        allowed = allowed and not target.name and (not kind.namespaced or bool(target.namespace))
    elif call.verb in ("get", "update", "patch", "delete"):
        allowed = allowed and bool(target.name) and (not kind.namespaced or bool(target.namespace))
    elif call.verb == "deletecollection":
        allowed = allowed and (not kind.namespaced or bool(target.namespace))
    if not allowed:
        raise method_not_allowed()
    return call
