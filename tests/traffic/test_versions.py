"""Which version is spoken, for every TrafficSplit CRD that meshes ship."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.errors import Ambiguous, NotFound, ServerError, error_for
from canary.kube.transport import Response
from canary.sandbox.virtual_time import run_virtual
from canary.traffic.split import new_split
from canary.traffic.versions import (
    VERSIONS,
    Discovery,
    MatchesUnsupported,
    NoTrafficSplit,
    Served,
    VersionNotServed,
    choose,
    resource,
    resource_missing,
)
from canary.traffic.weights import shares

CRDS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(Path(__file__).parent.glob("crds/*.yaml"))}
GROUP_PATH = "/apis/split.smi-spec.io"
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/trafficsplits.split.smi-spec.io"


def group_document(crd):
    """What the API server serves at the path of the group: served versions, newest first, the newest preferred."""
    names = sorted((version["name"] for version in crd["spec"]["versions"] if version["served"]), reverse=True)
    versions = [{"groupVersion": f"split.smi-spec.io/{name}", "version": name} for name in names]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "split.smi-spec.io",
        "versions": versions,
        "preferredVersion": versions[0],
    }


class FakeApi:
    """Answers by path: an object, an HTTP code, or an error to raise."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    async def request(self, method, path, **_):
        self.asked.append(path)
        await asyncio.sleep(0.1)
        answer = self.answers.get(path, 404)
        if isinstance(answer, Exception):
            raise answer
        return Response(answer, b"{}") if isinstance(answer, int) else Response(200, json.dumps(answer).encode())


def discovery(answers):
    api = FakeApi(answers)
    clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
    return Discovery(Client(api, clock=clock, rng=random.Random(1))), api


def version_of(answers, asked="Auto", **options):
    return run_virtual(discovery(answers)[0].version(asked, **options))


@pytest.mark.parametrize(
    ("mesh", "readable", "hidden"),
    [
        ("smi-sdk-go", "v1alpha4", "v1alpha4"),
        ("linkerd-smi", "v1alpha1", "v1alpha2"),
        ("smi-adapter-istio", "v1alpha2", "v1alpha2"),
        ("osm", "v1alpha2", "v1alpha2"),
        ("traefik-mesh", "v1alpha3", "v1alpha3"),
        ("nsm", "v1alpha3", "v1alpha3"),
        ("fsm", "v1alpha4", "v1alpha4"),
        ("smi-controller-sdk", "v1alpha4", "v1alpha4"),
    ],
)
@pytest.mark.parametrize("code", [None, 403, 404])
def test_the_stored_version_is_spoken_and_the_preferred_one_where_the_crd_is_hidden(mesh, readable, hidden, code):
    crd = CRDS[mesh]
    answers = {GROUP_PATH: group_document(crd), CRD_PATH: code or crd}
    assert version_of(answers) == (hidden if code else readable)


def test_every_crd_shape_has_a_case():
    assert set(CRDS) == {
        "fsm",
        "linkerd-smi",
        "nsm",
        "osm",
        "smi-adapter-istio",
        "smi-controller-sdk",
        "smi-sdk-go",
        "traefik-mesh",
    }


def errors_in(schema, value, path="$"):
    """Where `value` breaks an OpenAPI schema, as far as the fixtures use it."""
    if schema.get("x-kubernetes-int-or-string"):
        return [] if isinstance(value, (int, str)) and not isinstance(value, bool) else [path]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}
    if not isinstance(value, kinds[schema["type"]]):
        return [path]
    found = [f"{path}.{name}" for name in schema.get("required", ()) if name not in value]
    if "minimum" in schema and value < schema["minimum"]:
        found.append(path)
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            found += errors_in(inner, value[name], f"{path}.{name}")
    if "items" in schema:
        for index, inner in enumerate(value):
            found += errors_in(schema["items"], inner, f"{path}[{index}]")
    return found


@pytest.mark.parametrize("mesh", CRDS)
def test_what_we_write_fits_the_schema_of_every_served_version(mesh):
    for version in CRDS[mesh]["spec"]["versions"]:
        for weight in (0, 1, 50, 100) if version["served"] else ():
            body = new_split(version["name"], "shop", "web", shares("web-v1", "web-v2", weight), {}, {})
            assert errors_in(version["schema"]["openAPIV3Schema"], json.loads(body)) == []


def test_the_schema_check_of_these_tests_can_fail():
    crd = CRDS["nsm"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    bad = {"spec": {"service": "web", "backends": [{"service": "a", "weight": -1}, {"weight": "1"}]}}
    assert errors_in(crd, bad) == [
        "$.spec.backends[0].weight",
        "$.spec.backends[1].service",
        "$.spec.backends[1].weight",
    ]


def test_without_storage_and_preference_the_highest_version_is_spoken():
    assert choose(Served(("v1alpha2", "v1alpha3"))) == "v1alpha3"


def test_a_stored_version_that_is_not_served_is_not_spoken():
    assert choose(Served(("v1alpha1", "v1alpha2"), "v1alpha1", "v1alpha4")) == "v1alpha1"


def test_a_preferred_version_that_is_unknown_here_is_not_spoken():
    assert choose(Served(("v1", "v1alpha3"), "v1", "v1")) == "v1alpha3"


def test_the_stored_version_comes_before_the_preferred_one():
    assert choose(Served(VERSIONS, "v1alpha4", "v1alpha2")) == "v1alpha2"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_that_is_asked_for_is_spoken_if_served(version):
    served = Served(VERSIONS, "v1alpha4", "v1alpha4")
    assert choose(served, f"split.smi-spec.io/{version}") == version


def test_a_version_that_is_asked_for_and_not_served_is_refused():
    with pytest.raises(VersionNotServed, match=r"v1alpha4 is not served \(served: v1alpha1, v1alpha2\)"):
        choose(Served(("v1alpha2", "v1alpha1")), "split.smi-spec.io/v1alpha4")


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2"])
def test_matches_are_refused_in_an_older_version_that_is_asked_for(version):
    with pytest.raises(MatchesUnsupported, match=r"v1alpha4, or remove spec.matches"):
        choose(Served(VERSIONS), f"split.smi-spec.io/{version}", matches=True)


@pytest.mark.parametrize("version", ["v1alpha3", "v1alpha4"])
def test_matches_are_kept_in_a_newer_version_that_is_asked_for(version):
    assert choose(Served(VERSIONS), f"split.smi-spec.io/{version}", matches=True) == version


def test_matches_are_refused_where_only_older_versions_are_served():
    with pytest.raises(MatchesUnsupported, match="v1alpha1, v1alpha2 would drop"):
        choose(Served(("v1alpha1", "v1alpha2"), "v1alpha2", "v1alpha1"), matches=True)


def test_matches_pass_over_an_older_stored_version():
    assert choose(Served(VERSIONS, "v1alpha3", "v1alpha1"), matches=True) == "v1alpha3"


def test_a_group_that_is_absent_is_no_traffic_split():
    with pytest.raises(NoTrafficSplit, match="install the TrafficSplit CustomResourceDefinition"):
        version_of({})


@pytest.mark.parametrize("versions", [(), ("v1", "v2beta1")])
def test_a_group_without_a_known_version_is_no_traffic_split(versions):
    with pytest.raises(NoTrafficSplit):
        choose(Served(versions))


def test_a_failing_api_server_is_not_taken_for_an_absent_group():
    with pytest.raises(ServerError):
        version_of({GROUP_PATH: 503})


def test_nonsense_is_not_taken_for_an_absent_group():
    with pytest.raises(Ambiguous):
        version_of({GROUP_PATH: ["oops"]})


def test_a_crd_that_cannot_be_read_for_now_does_not_change_the_choice():
    with pytest.raises(ServerError):
        version_of({GROUP_PATH: group_document(CRDS["linkerd-smi"]), CRD_PATH: 503})


def test_many_who_ask_at_once_cost_one_discovery():
    async def main():
        finder, api = discovery({GROUP_PATH: group_document(CRDS["fsm"]), CRD_PATH: CRDS["fsm"]})
        assert set(await asyncio.gather(*(finder.version() for _ in range(1000)))) == {"v1alpha4"}
        assert api.asked == [GROUP_PATH, CRD_PATH]

    run_virtual(main())


def test_after_invalidation_the_server_is_asked_again():
    async def main():
        finder, api = discovery({GROUP_PATH: group_document(CRDS["osm"]), CRD_PATH: CRDS["osm"]})
        assert await finder.version() == "v1alpha2"
        api.answers = {GROUP_PATH: group_document(CRDS["fsm"]), CRD_PATH: CRDS["fsm"]}
        assert await finder.version() == "v1alpha2"
        finder.invalidate()
        assert await finder.version() == "v1alpha4"

    run_virtual(main())


def test_an_answer_that_was_on_its_way_when_invalidated_is_not_kept():
    async def main():
        finder, api = discovery({GROUP_PATH: group_document(CRDS["osm"]), CRD_PATH: CRDS["osm"]})
        early = asyncio.create_task(finder.version())
        await asyncio.sleep(0.15)
        finder.invalidate()
        api.answers = {GROUP_PATH: group_document(CRDS["fsm"]), CRD_PATH: CRDS["fsm"]}
        await early
        assert await finder.version() == "v1alpha4"

    run_virtual(main())


def test_an_absent_group_is_not_remembered():
    async def main():
        finder, api = discovery({})
        with pytest.raises(NoTrafficSplit):
            await finder.version()
        api.answers = {GROUP_PATH: group_document(CRDS["nsm"]), CRD_PATH: CRDS["nsm"]}
        assert await finder.version() == "v1alpha3"

    run_virtual(main())


def test_who_is_cancelled_while_asking_does_not_hold_up_the_others():
    async def main():
        finder, _ = discovery({GROUP_PATH: group_document(CRDS["nsm"]), CRD_PATH: CRDS["nsm"]})
        first = asyncio.create_task(finder.version())
        second = asyncio.create_task(finder.version())
        await asyncio.sleep(0.05)
        first.cancel()
        assert await second == "v1alpha3"
        with pytest.raises(asyncio.CancelledError):
            await first

    run_virtual(main())


def test_a_404_that_names_the_object_says_that_the_split_is_gone():
    body = {
        "kind": "Status",
        "reason": "NotFound",
        "message": 'trafficsplits.split.smi-spec.io "web" not found',
        "details": {"name": "web", "group": "split.smi-spec.io", "kind": "trafficsplits"},
        "code": 404,
    }
    error = error_for(404, json.dumps(body).encode())
    assert isinstance(error, NotFound)
    assert not resource_missing(error)


@pytest.mark.parametrize("body", [b"404 page not found\n", b'{"kind":"Status","reason":"NotFound","details":{}}', b""])
def test_a_404_that_names_nothing_says_that_the_resource_is_not_served(body):
    error = error_for(404, body)
    assert isinstance(error, NotFound)
    assert resource_missing(error)


def test_a_version_has_its_path():
    assert resource("v1alpha2").path("shop", "web") == (
        "/apis/split.smi-spec.io/v1alpha2/namespaces/shop/trafficsplits/web"
    )
