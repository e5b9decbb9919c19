"""A GitOps tool as the API server sees it: it forces its manifests again and again, and prunes what it tracks.

Sources: Argo CD, "Sync Options" (`ServerSideApply=true` forces conflicts) and "Resource Tracking"; Flux, Kustomization,
"Garbage collection" and "Controlling the apply behavior of resources".
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from e2e.managed.shop import COLLECTIONS, ManagedShop
from e2e.shop import NAME

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """How a tool applies, how it marks what is its own, and the mark that keeps an object from being pruned.

    `place` is `labels` or `annotations`; a tool without one marks nothing, and prunes nothing.
    """

    manager: str
    place: str
    keep: tuple[str, str]

    def marks(self, obj: JSON, namespace: str) -> dict[str, str]:
        if not self.place:
            return {}
        if self.place == "labels":
            return {"kustomize.toolkit.fluxcd.io/name": NAME, "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
        group = obj["apiVersion"].rpartition("/")[0]
        name = obj["metadata"]["name"]
        return {"argocd.argoproj.io/tracking-id": f"{NAME}:{group}/{obj['kind']}:{namespace}/{name}"}

    def tracks(self, obj: JSON) -> bool:
        """Whether an object bears the tool's mark, wherever that came from."""
        marks = self.marks({"apiVersion": "v1", "kind": "", "metadata": {"name": ""}}, "")
        return any(key in (obj["metadata"].get(self.place) or {}) for key in marks)


ARGO_CD = Tool("argocd-controller", "annotations", ("argocd.argoproj.io/sync-options", "Prune=false"))
FLUX = Tool("kustomize-controller", "labels", ("kustomize.toolkit.fluxcd.io/prune", "disabled"))
PIPELINE = Tool("pipeline", "", ("", ""))
"""`kubectl apply --server-side --force-conflicts --field-manager=pipeline`."""


class Applier:
    """Syncs `manifests` whenever it is told to, and on its own while its `with` block runs."""

    def __init__(self, shop: ManagedShop, tool: Tool, manifests: Sequence[JSON], *, every: float = 1.0) -> None:
        self.tool = tool
        self.manifests = list(manifests)
        self.syncs = 0
        self._shop, self._every = shop, every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=tool.manager, daemon=True)
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def sync(self) -> None:
        """Forces each manifest, with the tool's mark; then prunes."""
        wanted = set()
        for manifest in tuple(self.manifests):
            obj = copy.deepcopy(manifest)
            if marks := self.tool.marks(obj, self._shop.namespace):
                obj["metadata"].setdefault(self.tool.place, {}).update(marks)
            self._shop.apply(obj, self.tool.manager)
            wanted.add((obj["kind"], obj["metadata"]["name"]))
        for kind, obj in self._tracked():
            if (kind, obj["metadata"]["name"]) not in wanted and not self._kept(obj):
                self._shop.delete(COLLECTIONS[kind], obj["metadata"]["name"])
        self.syncs += 1

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self._every):
                self.sync()
        except BaseException as error:
            self._failure = error

    def _tracked(self) -> Iterator[tuple[str, JSON]]:
        for kind, collection in COLLECTIONS.items():
            for obj in self._shop.plane.api.json("GET", collection.format(namespace=self._shop.namespace))["items"]:
                if self.tool.tracks(obj) and "deletionTimestamp" not in obj["metadata"]:
                    yield kind, obj

    def _kept(self, obj: JSON) -> bool:
        key, value = self.tool.keep
        return (obj["metadata"].get("annotations") or {}).get(key) == value
