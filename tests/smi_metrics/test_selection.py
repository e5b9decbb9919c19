"""Label selectors, asked of the API server."""

from __future__ import annotations

import pytest

from canary.smi_metrics.kinds import BY_KIND, NAMESPACE
from canary.smi_metrics.refusal import Refusal
from canary.smi_metrics.selection import ObjectLabels
from tests.smi_metrics.cluster import Kubernetes

PATH = "/apis/apps/v1/namespaces/shop/deployments"


def page(*names: str, more: str = ""):
    items = [{"metadata": {"name": name, "namespace": "shop", "labels": {"a": "b"}}} for name in names]
    return {"kind": "PartialObjectMetadataList", "metadata": {"continue": more}, "items": items}


async def select(kubernetes, kind="deployment", namespace="shop", selector="app=web"):
    return await ObjectLabels(kubernetes, timeout=1.0).matching(BY_KIND[kind], namespace, selector)


async def test_only_the_metadata_of_objects_is_asked_for():
    kubernetes = Kubernetes({PATH: [(200, page("a", "b"))]})
    assert await select(kubernetes) == {("shop", "a"), ("shop", "b")}
    ((path, query, accept),) = kubernetes.asked
    assert (path, query) == (PATH, {"labelSelector": "app=web", "limit": "500"})
    assert accept == "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


async def test_every_page_is_read():
    kubernetes = Kubernetes({PATH: [(200, page("a", more="next")), (200, page("b"))]})
    assert await select(kubernetes) == {("shop", "a"), ("shop", "b")}
    query = {"labelSelector": "app=web", "limit": "500"}
    assert [asked for _, asked, _ in kubernetes.asked] == [query, query | {"continue": "next"}]


async def test_all_namespaces_and_namespaces_themselves_have_paths_of_their_own():
    kubernetes = Kubernetes(
        {
            "/apis/apps/v1/daemonsets": [(200, page())],
            "/api/v1/namespaces": [(200, {"items": [{"metadata": {"name": "a"}}]})],
        }
    )
    assert await select(kubernetes, "daemonset", "") == frozenset()
    assert await select(kubernetes, NAMESPACE.kind, "") == {("", "a")}


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, 400, "labelSelector: unable to parse"),
        (403, 500, "cannot list deployments"),
        (404, 500, "cannot list deployments"),
        (429, 503, "the API server answered"),
        (503, 503, "the API server answered"),
    ],
)
async def test_an_error_of_the_api_server_is_told_as_what_it_means_to_the_client(status, code, words):
    body = {"kind": "Status", "message": "unable to parse requirement", "reason": "x"}
    with pytest.raises(Refusal, match=words) as caught:
        await select(Kubernetes({PATH: [(status, body)]}))
    assert caught.value.code == code


@pytest.mark.parametrize("kubernetes", [Kubernetes(down=True), Kubernetes({PATH: [(200, b"<html>")]})])
async def test_an_api_server_that_does_not_answer_is_unavailable(kubernetes):
    with pytest.raises(Refusal, match="did not answer") as caught:
        await select(kubernetes)
    assert caught.value.code == 503


async def test_a_list_without_end_ends():
    kubernetes = Kubernetes({PATH: [(200, page("a", more="next"))]})
    with pytest.raises(Refusal, match="more than 100000 objects"):
        await select(kubernetes)
