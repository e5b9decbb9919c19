"""What the embedded API server fills into, and refuses of, the kinds that managed mode writes."""

from __future__ import annotations

import pytest

from canary.sandbox.apiserver.quantities import canonical

APPS = "/apis/apps/v1/namespaces/default"
DEPLOYMENTS = f"{APPS}/deployments"
REVISIONS = f"{APPS}/controllerrevisions"
SCALERS = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"


def fields(reply):
    return {cause["field"] for cause in reply.body["details"]["causes"]}


def revision(**parts):
    return {"metadata": {"name": "web-1"}, "revision": 1, "data": {"b": 1, "a": 2}, **parts}


def test_a_template_that_was_filled_in_is_left_as_it_is(api, deployment):
    made = deployment()
    pod = made["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "config", "configMap": {"name": "web"}}, {"name": "scratch"}]
    pod["containers"][0] |= {
        "resources": {"limits": {"cpu": "0.5"}},
        "livenessProbe": {"httpGet": {"port": 80}},
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    }
    stored = api.post(DEPLOYMENTS, made).body["spec"]["template"]["spec"]
    assert stored["volumes"][0]["configMap"]["defaultMode"] == 0o644
    assert stored["volumes"][1]["emptyDir"] == {}
    (container,) = stored["containers"]
    assert container["resources"]["limits"]["cpu"] == "500m"
    assert container["livenessProbe"]["httpGet"] == {"port": 80, "path": "/", "scheme": "HTTP"}
    assert container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    again = {**made, "metadata": {"name": "again"}}
    again["spec"]["template"]["spec"] = stored
    assert api.post(DEPLOYMENTS, again).body["spec"]["template"]["spec"] == stored


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"progressDeadlineSeconds": 5, "minReadySeconds": 5}, "spec.progressDeadlineSeconds"),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}},
            "spec.strategy.rollingUpdate.maxUnavailable",
        ),
        ({"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}}, "spec.strategy.rollingUpdate"),
        ({"selector": {}}, "spec.selector"),
    ],
)
def test_a_deployment_that_cannot_roll_is_refused(api, deployment, spec, field):
    refused = api.post(DEPLOYMENTS, deployment(**spec))
    assert (refused.status, fields(refused)) == (422, {field})


def test_the_data_of_a_revision_stays_even_in_the_order_of_its_fields(api):
    stored = api.post(REVISIONS, revision()).body
    assert api.merge(f"{REVISIONS}/web-1", {"revision": 2}).status == 200
    assert fields(api.merge(f"{REVISIONS}/web-1", {"data": {"c": 3}})) == {"data"}
    turned = {**stored, "data": {"a": 2, "b": 1}}
    turned["metadata"] = {"name": "web-1"}
    assert fields(api.put(f"{REVISIONS}/web-1", turned)) == {"data"}


@pytest.mark.parametrize("metadata", [{"annotations": {}}, {"annotations": {"a": "1"}}, {"labels": {}}])
def test_an_apply_that_adds_so_much_as_an_empty_map_turns_the_data_of_a_revision_and_is_refused(api, metadata):
    stored = api.post(REVISIONS, revision()).body
    body = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "web-1", **metadata}}
    assert fields(api.apply(f"{REVISIONS}/web-1", body)) == {"data"}
    assert api.get(f"{REVISIONS}/web-1").body == stored


def test_a_merge_patch_turns_the_data_of_a_revision_as_far_as_it_goes_into_it(api):
    data = {"b": {"y": 1, "x": 2}, "c": {"z": 3}}
    api.post(REVISIONS, revision(data=data))
    assert api.merge(f"{REVISIONS}/web-1", {"data": {"c": {"z": 3}}}).status == 200
    assert api.merge(f"{REVISIONS}/web-1", {"metadata": {"labels": {"a": "b"}}}).status == 200
    assert fields(api.merge(f"{REVISIONS}/web-1", {"data": {"b": {}}})) == {"data"}


def test_an_apply_of_what_is_there_leaves_the_data_of_a_revision_as_it_is(api):
    api.post(REVISIONS, revision())
    body = {"apiVersion": "apps/v1", "kind": "ControllerRevision", **revision()}
    applied = api.apply(f"{REVISIONS}/web-1", body)
    assert (applied.status, list(applied.body["data"])) == (200, ["b", "a"])


def test_an_autoscaler_gets_what_it_does_not_say(api):
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": ref, "maxReplicas": 3, "behavior": {"scaleUp": {"stabilizationWindowSeconds": 9}}}
    stored = api.post(SCALERS, {"metadata": {"name": "web"}, "spec": spec}).body["spec"]
    assert stored["minReplicas"] == 1
    assert stored["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 80}
    assert stored["behavior"]["scaleUp"]["selectPolicy"] == "Max"
    assert stored["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 9
    refused = api.merge(f"{SCALERS}/web", {"spec": {"minReplicas": 4}})
    assert fields(refused) == {"spec.maxReplicas"}


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("0.5", "500m"),
        (0.25, "250m"),
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("64Mi", "64Mi"),
        ("1e3", "1e3"),
        ("2000", "2k"),
        (0, "0"),
    ],
)
def test_an_amount_has_one_text(written, printed):
    assert canonical(written) == printed
