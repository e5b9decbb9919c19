"""The application of managed mode on the real control plane: one Deployment `web` that a user keeps in Git.

Its Pods are made ready by the kubelet for tests; its numbers are those that a test sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canary.api.names import OWNER_ANNOTATION
from canary.workload.claims import without_ours
from e2e.managed import judge, manifests
from e2e.managed.manifests import CANARY, JSON, STABLE
from e2e.plane.api import RequestFailed
from e2e.shop import CANARIES, DEPLOYMENTS, NAME, SERVICES, WORKING, Shop, weights_of
from e2e.smi_wire import Numbers

AUTOSCALERS = "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
BUDGETS = "/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
PODS = "/api/v1/namespaces/{namespace}/pods"
CONFIG_MAPS = "/api/v1/namespaces/{namespace}/configmaps"
REVISIONS = "/apis/apps/v1/namespaces/{namespace}/controllerrevisions"
COLLECTIONS = {
    "Deployment": DEPLOYMENTS,
    "Service": SERVICES,
    "HorizontalPodAutoscaler": AUTOSCALERS,
    "PodDisruptionBudget": BUDGETS,
    "ConfigMap": CONFIG_MAPS,
    "Canary": CANARIES,
}
SILENT = Numbers(rate=0)
APPLY = "application/apply-patch+yaml"
GITOPS = "gitops"


class ManagedShop(Shop):
    """The Deployment `web`, its Services, and the Canary `web`; `weight` is that of `web-canary`."""

    settle = "0s"
    """How long the proxies of its callers may take to follow: nobody calls Pods that only the kubelet knows of."""
    loses_pods = False
    """Whether the test takes Pods of a side away by itself, so that the side may be without any."""
    manager = GITOPS
    """Who applies the user's manifests."""

    def open(
        self, *, root: bool = True, replicas: int | None = 2, others: tuple[JSON, ...] = (), **options: Any
    ) -> None:
        """Runs version 1 behind a root Service that nobody applies again."""
        for name in (NAME, STABLE):
            self.numbers(name, WORKING)
        for obj in (*others, manifests.target(replicas=replicas, **options)):
            self.apply(obj)
        if root:
            self.create(SERVICES, manifests.root())
        self.until(lambda: self.pods_ready(NAME) == (1 if replicas is None else replicas), "ready Pods")

    def numbers(self, name: str, numbers: Numbers | None) -> None:
        """What the metrics server says of a Deployment, while it has traffic: none is what is told of the canary's."""
        if name == NAME and numbers is not None:
            given = numbers
            self.smi.set(self.namespace, name, lambda: given if self.weight() else SILENT)
        else:
            self.smi.set(self.namespace, name, numbers)

    def apply(self, obj: JSON, manager: str = "") -> Any:
        """Server-side apply, as a GitOps tool with `--force-conflicts` does it."""
        collection = COLLECTIONS[obj["kind"]].format(namespace=self.namespace)
        path = f"{collection}/{obj['metadata']['name']}?fieldManager={manager or self.manager}&force=true"
        return self.plane.api.json("PATCH", path, obj, content_type=APPLY)

    def manage(self, **spec: Any) -> None:
        """Creates the Canary; `spec` replaces fields of `manifests.canary`."""
        self.create(CANARIES, manifests.canary(**{"traffic": {"settle": self.settle}, **spec}))

    def push(self, version: str, **options: Any) -> None:
        """The user's next image."""
        self.apply(manifests.target(version, **options))

    def onboard(self, **spec: Any) -> None:
        """The Canary, and a controller that has taken the Deployment over."""
        self.manage(**spec)
        self.start()
        self.until_idle()

    def break_pods(self, name: str, behaviour: str = "unready") -> None:
        """From now on the present Pods of a Deployment behave like this."""
        for pod in self.pods(name):
            annotations = {"test-kubelet/behaviour": behaviour}
            self.patch(PODS, pod["metadata"]["name"], {"metadata": {"annotations": annotations}})

    def until_idle(self, timeout: float = 30.0) -> None:
        """Waits until nothing is left to be done; our claims to the Deployment are dropped last."""

        def rests() -> bool:
            target = self.deployment(NAME)
            idle = target is not None and self.phase() == "Idle" and target["spec"]["replicas"] == 0
            return idle and without_ours(target) is None

        self.until(rests, "Idle", timeout)

    def leave(self, propagation: str = "Background") -> None:
        """Deletes the Canary and waits until it is gone."""
        self.delete(CANARIES, NAME, propagation)
        self.until_gone()

    def until_gone(self, timeout: float = 40.0) -> None:
        self.until(lambda: self.object("canaries") is None, "end of the Canary", timeout)

    # How things stand.

    def weight(self) -> int:
        return self.weights().get(CANARY, 0)

    def raised(self) -> list[int]:
        found = [weights_of(c.new).get(CANARY, 0) for c in self.commits("trafficsplits") if c.new]
        return [weight for index, weight in enumerate(found) if index == 0 or weight != found[index - 1]]

    def deployment(self, name: str) -> JSON | None:
        return self.get(DEPLOYMENTS, name)

    def replicas(self, name: str) -> int:
        """What a Deployment asks for; -1 without it."""
        found = self.deployment(name)
        return -1 if found is None else int(found["spec"]["replicas"])

    def pods_ready(self, name: str) -> int:
        found = self.deployment(name)
        return -1 if found is None else int(found["status"].get("readyReplicas", 0))

    def pods(self, name: str) -> list[JSON]:
        """The Pods of a Deployment."""
        path = f"{PODS.format(namespace=self.namespace)}?labelSelector=app%3D{name}"
        found: list[JSON] = self.plane.api.json("GET", path)["items"]
        return found

    def container(self, name: str) -> JSON:
        """The container of a Deployment's template."""
        found = self.deployment(name)
        assert found is not None, f"there is no Deployment {name}"
        container: JSON = found["spec"]["template"]["spec"]["containers"][0]
        return container

    def image(self, name: str) -> str:
        """What a Deployment's Pods are to run; empty without it."""
        found = self.deployment(name)
        return "" if found is None else str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def selector(self, name: str = NAME) -> dict[str, str]:
        """Whose Pods a Service selects; empty without it."""
        found = self.get(SERVICES, name)
        return {} if found is None else dict(found["spec"].get("selector") or {})

    def ours(self) -> list[str]:
        """Everything in the namespace that belongs to the Canary, as `kind/name`; what it has let go of does not."""
        return [
            f"{collection.rpartition('/')[2]}/{item['metadata']['name']}"
            for collection in (DEPLOYMENTS, SERVICES, AUTOSCALERS, BUDGETS, CONFIG_MAPS, REVISIONS)
            for item in self._labelled(collection)
            if OWNER_ANNOTATION in (item["metadata"].get("annotations") or {})
        ]

    def kept_templates(self) -> list[str]:
        """The templates that a Canary of this name finds by their label: its own, or those that one has let go of."""
        return [item["metadata"]["name"] for item in self._labelled(REVISIONS)]

    def _labelled(self, collection: str) -> list[JSON]:
        path = f"{collection.format(namespace=self.namespace)}?labelSelector=canary.delivery/canary"
        items: list[JSON] = self.plane.api.json("GET", path)["items"]
        return items

    def message(self) -> str:
        return self.status().message

    def says(self, words: str) -> bool:
        """Whether the status says this."""
        return words in self.message()

    def why(self, kind: str = "Ready") -> str:
        """Reason and message of a condition, for the words in them."""
        return f"{self.condition(kind)[1]}: {self.condition_message(kind)}"

    def _violations(self) -> Iterator[str]:
        yield from super()._violations()
        yield from judge.violations(self.commits(), loses_pods=self.loses_pods)


def exists(shop: Shop, collection: str, name: str) -> bool:
    """Whether the API server has the object; other answers than 404 are errors."""
    try:
        shop.plane.api.json("GET", f"{collection.format(namespace=shop.namespace)}/{name}")
    except RequestFailed as error:
        if error.code == 404:
            return False
        raise
    return True
