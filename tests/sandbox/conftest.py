"""An embedded server that is called without sockets or a loop, and builders of objects."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from canary.sandbox.apiserver.request import Request
from canary.sandbox.apiserver.server import ApiServer

# asyncio drops a server's accepted socket without closing it when its peer goes away at once, as kubectl does. That is
# noticed whenever garbage is collected, in any test. Transports that are left open still fail one.
DROPPED = "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.filterwarnings(DROPPED))


class ManualClock:
    """Time moves by `advance` only."""

    def __init__(self):
        self.seconds = 0.0

    def advance(self, seconds):
        self.seconds += seconds

    def monotonic(self):
        return self.seconds

    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    async def sleep(self, seconds):
        self.advance(seconds)


@dataclass
class Reply:
    status: int
    body: dict
    headers: dict

    @property
    def meta(self):
        return self.body["metadata"]

    @property
    def version(self):
        return self.body["metadata"]["resourceVersion"]

    @property
    def names(self):
        return [item["metadata"]["name"] for item in self.body["items"]]


class Api:
    """The server under test."""

    def __init__(self):
        self.clock = ManualClock()
        self.server = ApiServer(self.clock, random.Random(1))

    def __call__(
        self,
        method,
        path,
        body=None,
        *,
        kind="application/json",
        accept="application/json",
        agent="tester/1.0",
        **query,
    ):
        headers = {"content-type": kind, "accept": accept, "user-agent": agent}
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        query = {key.rstrip("_"): value for key, value in query.items()}
        answer = self.server.handle(Request(method, path, query, headers, raw))
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        return Reply(answer.status, json.loads(answer.body) if is_json else answer.body, dict(answer.headers))

    def get(self, path, **options):
        return self("GET", path, **options)

    def post(self, path, body, **options):
        return self("POST", path, body, **options)

    def put(self, path, body, **options):
        return self("PUT", path, body, **options)

    def delete(self, path, body=None, **options):
        return self("DELETE", path, body, **options)

    def merge(self, path, body, **options):
        return self("PATCH", path, body, kind="application/merge-patch+json", **options)

    def json_patch(self, path, *operations, **options):
        return self("PATCH", path, list(operations), kind="application/json-patch+json", **options)

    def strategic(self, path, body, **options):
        return self("PATCH", path, body, kind="application/strategic-merge-patch+json", **options)

    def apply(self, path, body, manager="applier", **options):
        return self("PATCH", path, body, kind="application/apply-patch+yaml", fieldManager=manager, **options)


@pytest.fixture
def api():
    return Api()


def _named(kind, api_version, name, fields):
    labels, annotations = fields.pop("labels", None), fields.pop("annotations", None)
    metadata = {"name": name, **fields.pop("metadata", {})}
    if labels:
        metadata["labels"] = labels
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


@pytest.fixture
def config_map():
    def build(name="settings", **fields):
        return _named("ConfigMap", "v1", name, {"data": {"a": "1"}, **fields})

    return build


@pytest.fixture
def deployment():
    def build(name="web", *, image="web:1", **spec):
        labels = {"app": name}
        container = {"name": "main", "image": image}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        full = {"selector": {"matchLabels": labels}, "template": template, **spec}
        return _named("Deployment", "apps/v1", name, {"spec": full})

    return build


WIDGET_SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "minimum": 1},
                "color": {"type": "string", "default": "red"},
                "replicas": {"type": "integer"},
                "steps": {"type": "array", "items": {"type": "integer"}},
                "parts": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}, "weight": {"type": "integer"}},
                    },
                },
            },
        },
        "status": {
            "type": "object",
            "properties": {"phase": {"type": "string"}, "replicas": {"type": "integer"}},
        },
    },
}


@pytest.fixture
def widget_crd():
    def build(*, versions=None, status=True, schema=WIDGET_SCHEMA):
        subresources = {"status": {}} if status else {}
        scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
        one = {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {**subresources, "scale": scale},
            "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
        }
        names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]}
        spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions or [one]}
        return _named("CustomResourceDefinition", "apiextensions.k8s.io/v1", "widgets.example.com", {"spec": spec})

    return build


@pytest.fixture
def widgets(api, widget_crd):
    """The path of the Widgets of namespace default, whose definition is installed."""
    assert api.post(CRDS, widget_crd()).status == 201
    return WIDGETS


@pytest.fixture
def widget():
    def build(name="one", **fields):
        return _named("Widget", "example.com/v1", name, {"spec": {"size": 3}, **fields})

    return build
