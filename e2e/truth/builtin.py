"""Kinds that the server has of its own, and what is there from the start."""

from __future__ import annotations

from typing import Any

from canary.kube.resources import DEPLOYMENTS, LEASES, NAMESPACES, SERVICES, Resource
from e2e.truth.objects import CANARIES, CONFIG_MAPS, SPLITS, canary, config_map, deployment, lease, service, split
from e2e.truth.probe import APPLY, JSON_PATCH, MERGE, STRATEGIC, Probe, typed

SECRETS = Resource("", "v1", "secrets", "Secret")
CORE_EVENTS = Resource("", "v1", "events", "Event")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
INGRESSES = Resource("networking.k8s.io", "v1", "ingresses", "Ingress")
_STRICT = {"fieldValidation": "Strict"}


async def secrets_and_events(probe: Probe) -> None:
    await probe.create("text becomes data", SECRETS, {"metadata": {"name": "web"}, "stringData": {"a": "x"}})
    await probe.patch("text wins", SECRETS, "web", {"stringData": {"a": "y"}})
    await probe.patch("another type", SECRETS, "web", {"type": "other"})
    await probe.patch("immutable", SECRETS, "web", {"immutable": True})
    await probe.patch("its data", SECRETS, "web", {"data": {"b": "eA=="}})
    await probe.patch("its labels", SECRETS, "web", {"metadata": {"labels": {"a": "b"}}})
    about = {"kind": "Canary", "namespace": probe.namespace, "name": "web"}
    await probe.create("an old event", CORE_EVENTS, {"metadata": {"name": "web.1"}, "involvedObject": about})
    about = {**about, "namespace": "elsewhere"}
    await probe.create("about elsewhere", CORE_EVENTS, {"metadata": {"name": "web.2"}, "involvedObject": about})


async def unknown_fields_of_built_in_kinds(probe: Probe) -> None:
    query = {**_STRICT, "dryRun": "All"}
    wrong = deployment()
    wrong["spec"]["replica"] = 3
    await probe.create("in a deployment", DEPLOYMENTS, wrong, query=query)
    wrong = deployment()
    wrong["spec"]["template"]["spec"]["containers"][0]["imag"] = "x"
    await probe.create("in a container", DEPLOYMENTS, wrong, query=query)
    await probe.create("pruned", DEPLOYMENTS, wrong, query={"dryRun": "All"}, compare=lambda d: d["spec"])
    wrong = service()
    wrong["spec"]["ports"][0]["prot"] = "UDP"
    await probe.create("in a service", SERVICES, wrong, query=query)
    wrong = lease()
    wrong["spec"]["holder"] = "x"
    await probe.create("in a lease", LEASES, wrong, query=query)
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "verb": []}]
    await probe.create("in a role", ROLES, {"metadata": {"name": "web"}, "rules": rules}, query=query)
    backend = {"service": {"name": "web", "port": {"number": 80}}, "servce": {}}
    ingress = {"metadata": {"name": "web"}, "spec": {"defaultBackend": backend}}
    await probe.create("in an ingress", INGRESSES, ingress, query=query)
    await probe.create("in metadata", CONFIG_MAPS, config_map(lables={"a": "b"}), query=query)


async def strict_patches(probe: Probe) -> None:
    await probe.create("a canary", CANARIES, canary())
    await probe.create("a config map", CONFIG_MAPS, config_map())
    for name, resource in (("a canary", CANARIES), ("a config map", CONFIG_MAPS)):
        path = [{"op": "add", "path": "/odd", "value": 1}]
        await probe.patch(f"JSON, {name}", resource, "web", path, content_type=JSON_PATCH, query=_STRICT)
        await probe.patch(f"merge, {name}", resource, "web", {"odd": 1}, query=_STRICT)
        await probe.patch(f"merge with a warning, {name}", resource, "web", {"odd": 1})
    await probe.patch("strategic", CONFIG_MAPS, "web", {"odd": 1}, content_type=STRATEGIC, query=_STRICT)
    whole = {**typed(CONFIG_MAPS), "metadata": {"name": "web"}, "odd": 1}
    query = {**_STRICT, "fieldManager": "one"}
    await probe.patch("apply", CONFIG_MAPS, "web", whole, content_type=APPLY, query=query)
    await probe.replace("put", CONFIG_MAPS, "web", {**whole, "data": {}}, query=_STRICT)


async def wrong_types(probe: Probe) -> None:
    wrong = deployment()
    wrong["spec"]["replicas"] = "3"
    other = {**typed(DEPLOYMENTS), **wrong}
    query = {"fieldManager": "one"}
    await probe.patch("applied, a text for a number", DEPLOYMENTS, "web", other, content_type=APPLY, query=query)
    await probe.create("a text for a number", DEPLOYMENTS, wrong)
    await probe.create("a number for a text", CONFIG_MAPS, config_map(data={"a": 1}))  # type: ignore[dict-item]  # on purpose
    await probe.create("a number as an annotation", CONFIG_MAPS, config_map("x", annotations={"a": 1}))
    await probe.create("a null as a label", CONFIG_MAPS, config_map("null", labels={"a": None}))
    await probe.create("nothing in metadata", CONFIG_MAPS, config_map("empty", labels={}, finalizers=[]))
    await probe.create("nothing in a split's metadata", SPLITS, split("empty", labels={}, finalizers=[]))
    await probe.create("a deployment", DEPLOYMENTS, deployment(), compare=lambda d: d["kind"])
    for name, content_type in (("merge", MERGE), ("strategic", STRATEGIC)):
        patch = {"spec": {"replicas": "3"}}
        await probe.patch(f"{name}, a text for a number", DEPLOYMENTS, "web", patch, content_type=content_type)
        patch = {"metadata": {"annotations": {"a": 1}}}  # type: ignore[dict-item]  # on purpose
        await probe.patch(f"{name}, an annotation", DEPLOYMENTS, "web", patch, content_type=content_type)
    await probe.create("a canary", CANARIES, canary())
    await probe.patch("a canary's annotation", CANARIES, "web", {"metadata": {"annotations": {"a": 1}}})
    await probe.patch("a canary's label is a map", CANARIES, "web", {"metadata": {"labels": {"a": {}}}})
    for resource in (CANARIES, CONFIG_MAPS):
        whole = {**typed(resource), "metadata": {"name": "web", "annotations": {"a": 1}}}
        query = {"fieldManager": "one"}
        await probe.patch(f"applied to a {resource.kind}", resource, "web", whole, content_type=APPLY, query=query)
    await probe.patch("a canary's labels are a list", CANARIES, "web", {"metadata": {"labels": []}})


async def odd_requests(probe: Probe) -> None:
    stored = await probe.create("create", CONFIG_MAPS, config_map())
    await probe.send("a name in the path", "POST", probe.path(CONFIG_MAPS, "x"), {**typed(CONFIG_MAPS), **config_map()})
    await probe.send("a PUT of a list", "PUT", probe.path(CONFIG_MAPS), {})
    await probe.send("another subresource", "GET", probe.path(CONFIG_MAPS, "web", "status"))
    await probe.create("another kind", CONFIG_MAPS, {**config_map("x"), "kind": "Other"})
    await probe.create("another version", CONFIG_MAPS, {**config_map("x"), "apiVersion": "v2"})
    await probe.replace("a PUT of another kind", CONFIG_MAPS, "web", {**stored, "kind": "Other"})
    await probe.replace("a PUT of another version", CONFIG_MAPS, "web", {**stored, "apiVersion": "v2"})
    await probe.patch("a patch of the kind", CONFIG_MAPS, "web", {"kind": "Other"})
    stored = await probe.create("a canary", CANARIES, canary())
    await probe.replace("a canary of another kind", CANARIES, "web", {**stored, "kind": "Other"})
    await probe.replace("a canary of another version", CANARIES, "web", {**stored, "apiVersion": "canary.delivery/v1"})
    await probe.patch("a patch of a canary's kind", CANARIES, "web", {"kind": "Other"})
    for resource in (CONFIG_MAPS, CANARIES):
        whole = {**typed(resource), "metadata": {"name": "web", "uid": "12345678-0000-4000-8000-000000000000"}}
        await probe.patch(
            *(f"{resource.kind} with another uid", resource, "web", whole),
            content_type=APPLY,
            query={"fieldManager": "one"},
        )


async def orders_of_a_list(probe: Probe) -> None:
    def containers(obj: Any) -> list[str]:
        return [item["name"] for item in obj["spec"]["template"]["spec"]["containers"]]

    async def patch(label: str, *names: str, order: tuple[str, ...] = ()) -> None:
        spec: dict[str, Any] = {"containers": [{"name": name, "image": "x"} for name in names]}
        if order:
            spec["$setElementOrder/containers"] = [{"name": name} for name in order]
        whole = {"spec": {"template": {"spec": spec}}}
        await probe.patch(label, DEPLOYMENTS, "web", whole, content_type=STRATEGIC, compare=containers)

    await probe.create("create", DEPLOYMENTS, deployment(), compare=containers)
    await patch("a new one", "b")
    await patch("two new ones", "d", "c")
    await patch("an old and a new one", "web", "e")
    await patch("one in an order", "f", order=("web", "f"))
    await patch("all in an order", "g", order=("b", "c", "d", "e", "f", "g", "web"))
    await patch("with one that the order lacks", "h", order=("web", "b"))


async def bodies_in_protobuf(probe: Probe) -> None:
    """An envelope with the type and the object. Source: Kubernetes API concepts, "Kubernetes Protobuf encoding"."""

    def text(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    kind = text(1, b"v1") + text(2, b"ConfigMap")
    body = b"k8s\0" + text(1, kind) + text(2, text(1, text(1, b"web")))
    protobuf = "application/vnd.kubernetes.protobuf"
    await probe.send("a config map", "POST", probe.path(CONFIG_MAPS), body, content_type=protobuf)


async def what_is_there(probe: Probe) -> None:
    path = SERVICES.path("default", "kubernetes")
    await probe.send("the service of the API", "GET", path, compare=lambda s: s["metadata"]["labels"])
    await probe.until("the default account", SERVICE_ACCOUNTS, "default", lambda account: True)
    for name in ("default", "kube-public", "kube-system"):
        await probe.send(f"deleting {name}", "DELETE", NAMESPACES.path(None, name))


SCENARIOS = (
    secrets_and_events,
    unknown_fields_of_built_in_kinds,
    strict_patches,
    wrong_types,
    odd_requests,
    orders_of_a_list,
    bodies_in_protobuf,
    what_is_there,
)
