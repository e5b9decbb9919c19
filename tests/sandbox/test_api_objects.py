"""Creating, reading and replacing objects: metadata, versions, generations, subresources."""

from __future__ import annotations

import re

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/api/v1/namespaces/default/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


def test_a_created_object_has_an_identity_and_a_version(api, config_map):
    made = api.post(MAPS, config_map())
    assert made.status == 201
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made.meta["uid"])
    assert made.meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert made.meta["namespace"] == "default"
    assert "generation" not in made.meta
    assert made.version.isdecimal()
    assert api.get(f"{MAPS}/settings").body == made.body


def test_the_server_decides_about_its_own_metadata(api, config_map):
    given = {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "deletionTimestamp": "2001-01-01T00:00:00Z"}
    made = api.post(MAPS, config_map(metadata=given))
    assert made.meta["uid"] != "mine"
    assert made.meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert "deletionTimestamp" not in made.meta


def test_a_second_creation_already_exists(api, config_map):
    api.post(MAPS, config_map())
    again = api.post(MAPS, config_map())
    assert again.status == 409
    assert again.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'configmaps "settings" already exists',
        "reason": "AlreadyExists",
        "details": {"name": "settings", "kind": "configmaps"},
        "code": 409,
    }


def test_a_missing_object_is_not_found_by_its_qualified_name(api):
    missing = api.get(f"{DEPLOYMENTS}/web")
    assert missing.status == 404
    assert missing.body["message"] == 'deployments.apps "web" not found'
    assert missing.body["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


@pytest.mark.parametrize("path", ["/apis/none.io/v1/things", "/api/v1/namespaces/default/things", "/nonsense"])
def test_what_is_not_served_is_a_plain_404(api, path):
    answer = api.get(path)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")


def test_a_name_is_made_from_generate_name(api, config_map):
    obj = config_map()
    obj["metadata"] = {"generateName": "job-"}
    names = {api.post(MAPS, obj).meta["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(re.fullmatch(r"job-[a-z0-9]{5}", name) for name in names)


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"metadata": {"namespace": "other"}}, 400, "does not match the namespace"),
        ({"kind": "Secret"}, 400, "does not match the expected kind"),
        ({"apiVersion": "v2"}, 400, "does not match the expected API version"),
        ({"metadata": {"resourceVersion": "5"}}, 500, "resourceVersion should not be set"),
        ({"metadata": {"name": "UPPER"}}, 422, "RFC 1123 subdomain"),
        ({"metadata": {"name": ""}}, 422, "name or generateName is required"),
        ({"labels": {"a b": "c"}}, 422, "name part must consist of"),
    ],
)
def test_a_contradictory_object_is_refused(api, config_map, changes, status, words):
    refused = api.post(MAPS, {**config_map(), **config_map(**changes)})
    assert refused.status == status
    assert words in refused.body["message"]
    assert len(api.server.commits) == 0


def test_nothing_can_be_created_in_a_namespace_that_is_not_there(api, config_map):
    refused = api.post("/api/v1/namespaces/nowhere/configmaps", config_map())
    assert refused.body["message"] == 'namespaces "nowhere" not found'


def test_a_replacement_gets_a_new_version_and_keeps_the_identity(api, config_map):
    made = api.post(MAPS, config_map())
    new = {**made.body, "data": {"a": "2"}}
    replaced = api.put(f"{MAPS}/settings", new)
    assert int(replaced.version) > int(made.version)
    assert replaced.meta["uid"] == made.meta["uid"]


def test_a_stale_replacement_is_a_conflict(api, config_map):
    made = api.post(MAPS, config_map())
    api.put(f"{MAPS}/settings", {**made.body, "data": {"a": "2"}})
    stale = api.put(f"{MAPS}/settings", {**made.body, "data": {"a": "3"}})
    assert stale.status == 409
    assert stale.body["reason"] == "Conflict"
    assert stale.body["message"] == (
        'Operation cannot be fulfilled on configmaps "settings": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_a_replacement_of_another_uid_is_a_conflict(api, config_map):
    made = api.post(MAPS, config_map())
    other = {**made.body, "metadata": {**made.meta, "uid": "11111111-1111-4111-8111-111111111111"}}
    assert api.put(f"{MAPS}/settings", other).status == 409


def test_a_write_that_changes_nothing_keeps_the_version_and_makes_no_commit(api, config_map):
    made = api.post(MAPS, config_map())
    api.clock.advance(100)
    assert api.put(f"{MAPS}/settings", made.body).version == made.version
    assert api.merge(f"{MAPS}/settings", {"data": {"a": "1"}}).version == made.version
    assert len(api.server.commits) == 1


def test_a_dry_run_answers_and_stores_nothing(api, config_map):
    assert api.post(MAPS, config_map(), dryRun="All").status == 201
    assert api.get(f"{MAPS}/settings").status == 404
    api.post(MAPS, config_map())
    assert api.merge(f"{MAPS}/settings", {"data": {"a": "9"}}, dryRun="All").body["data"] == {"a": "9"}
    assert api.delete(f"{MAPS}/settings", dryRun="All").status == 200
    assert api.get(f"{MAPS}/settings").body["data"] == {"a": "1"}


def test_the_generation_of_a_deployment_follows_its_spec_only(api, deployment):
    path = f"{DEPLOYMENTS}/web"
    assert api.post(DEPLOYMENTS, deployment()).meta["generation"] == 1
    assert api.merge(path, {"metadata": {"labels": {"x": "y"}}}).meta["generation"] == 1
    assert api.merge(path, {"spec": {"replicas": 3}}).meta["generation"] == 2
    assert api.merge(f"{path}/status", {"status": {"replicas": 3}}).meta["generation"] == 2


def test_status_and_the_rest_are_written_through_different_doors(api, deployment):
    path = f"{DEPLOYMENTS}/web"
    api.post(DEPLOYMENTS, {**deployment(), "status": {"replicas": 9}})
    assert api.get(path).body["status"] == {}
    api.merge(path, {"status": {"replicas": 9}})
    assert api.get(path).body["status"] == {}
    api.merge(
        f"{path}/status", {"status": {"replicas": 2}, "spec": {"replicas": 7}, "metadata": {"labels": {"a": "b"}}}
    )
    stored = api.get(path)
    assert stored.body["status"] == {"replicas": 2}
    assert stored.body["spec"]["replicas"] == 1
    assert "labels" not in stored.meta


def test_a_deployment_is_scaled_through_its_subresource(api, deployment):
    api.post(DEPLOYMENTS, deployment())
    scale = api.get(f"{DEPLOYMENTS}/web/scale")
    assert (scale.body["kind"], scale.body["spec"], scale.body["status"]["selector"]) == (
        "Scale",
        {"replicas": 1},
        "app=web",
    )
    assert api.put(f"{DEPLOYMENTS}/web/scale", {**scale.body, "spec": {"replicas": 4}}).body["spec"] == {"replicas": 4}
    assert api.put(f"{DEPLOYMENTS}/web/scale", scale.body).status == 409
    assert api.merge(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 0}}).body["spec"] == {}
    assert api.get(f"{DEPLOYMENTS}/web").body["spec"]["replicas"] == 0


def test_a_scale_that_is_none_is_refused_before_the_deployment_is_looked_for(api):
    scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "web"}, "spec": {"replicas": "x"}}
    assert api.put(f"{DEPLOYMENTS}/web/scale", scale).status == 400
    assert api.merge(f"{DEPLOYMENTS}/web/scale", scale).status == 404


def test_where_nobody_counts_the_generation_is_what_the_creator_says(api, config_map, deployment):
    # Source: k8s.io/kubernetes, the strategies of each kind; most set it in `PrepareForCreate`, some do not.
    assert api.post(MAPS, config_map(metadata={"generation": 9})).meta["generation"] == 9
    assert api.merge(f"{MAPS}/settings", {"data": {"a": "2"}}).meta["generation"] == 9
    assert api.post(DEPLOYMENTS, deployment(metadata={"generation": 9})).meta["generation"] == 1


def test_a_dry_put_that_would_create_shows_the_version_that_was_sent(api):
    lease = {"metadata": {"name": "l", "resourceVersion": "7"}, "spec": {"holderIdentity": "a"}}
    assert api.put(f"{LEASES}/l", lease, dryRun="All").version == "7"
    assert api.put(f"{LEASES}/l", lease).version != "7"


def test_endpoints_that_stay_are_not_judged_again(api):
    # Source: k8s.io/kubernetes, package apis/discovery/validation.
    one, other = ({"addresses": [address]} for address in ("10.0.0.1", "10.0.0.2"))
    api.post(SLICES, {"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": [one]})

    def fields(**change):
        return {cause["field"] for cause in api.merge(f"{SLICES}/s", change).body["details"]["causes"]}

    assert fields(addressType="IPv6") == {"addressType"}
    assert fields(addressType="IPv6", endpoints=[other]) == {"addressType", "endpoints[0].addresses"}
    assert fields(endpoints=[{"addresses": ["here"]}]) == {"endpoints[0].addresses[0]"}


def test_services_get_addresses_of_their_own_and_keep_them(api):
    def service(name):
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}

    one, two = (api.post(SERVICES, service(name)) for name in ("one", "two"))
    assert one.body["spec"]["clusterIP"] != two.body["spec"]["clusterIP"]
    assert one.body["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    kept = api.put(f"{SERVICES}/one", {**service("one"), "spec": {"ports": [{"port": 81}]}})
    assert kept.body["spec"]["clusterIP"] == one.body["spec"]["clusterIP"]
    moved = api.merge(f"{SERVICES}/one", {"spec": {"clusterIP": "10.96.9.9", "clusterIPs": ["10.96.9.9"]}})
    assert moved.status == 422


def test_the_address_of_a_service_that_is_gone_is_not_the_next_ones(api):
    service = {"metadata": {"name": "one"}, "spec": {"ports": [{"port": 80}]}}
    first = api.post(SERVICES, service)
    api.delete(f"{SERVICES}/one")
    assert api.post(SERVICES, service).body["spec"]["clusterIP"] != first.body["spec"]["clusterIP"]


def test_a_lease_needs_a_version_to_be_replaced_but_may_be_made_by_put(api):
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "lead"}, "spec": {}}
    assert api.put(f"{LEASES}/lead", lease).status == 201
    refused = api.put(f"{LEASES}/lead", {**lease, "spec": {"holderIdentity": "me"}})
    assert refused.status == 422
    assert refused.body["details"]["causes"][0]["field"] == "metadata.resourceVersion"


def test_an_event_has_two_faces(api):
    events = "/apis/events.k8s.io/v1/namespaces/default/events"
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e1"},
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
        "note": "hello",
        "reason": "Tested",
    }
    api.post(events, event)
    core = api.get("/api/v1/namespaces/default/events", fieldSelector="involvedObject.name=p")
    assert core.body["items"][0]["message"] == "hello"
    assert core.body["items"][0]["involvedObject"]["name"] == "p"
    assert api.get(f"{events}/e1").body["note"] == "hello"
    assert api.get(events, fieldSelector="regarding.name=q").body["items"] == []


@pytest.mark.parametrize(
    "review", ["subjectaccessreviews", "selfsubjectaccessreviews", "namespaces/default/localsubjectaccessreviews"]
)
def test_every_question_about_rights_is_answered_yes(api, review):
    answer = api.post(f"/apis/authorization.k8s.io/v1/{review}", {"spec": {"resourceAttributes": {"verb": "get"}}})
    assert (answer.status, answer.body["status"]) == (201, {"allowed": True})


def test_version_and_health_look_like_a_real_server(api):
    assert re.fullmatch(r"v1\.36\.\d+", api.get("/version").body["gitVersion"])
    assert [api.get(path).body for path in ("/livez", "/readyz", "/healthz")] == [b"ok"] * 3


@pytest.mark.parametrize(("method", "path"), [("POST", f"{MAPS}/x"), ("PUT", MAPS), ("POST", "/api/v1/configmaps")])
def test_a_method_that_makes_no_sense_is_not_allowed(api, config_map, method, path):
    assert api(method, path, config_map()).status == 405


def test_every_accepted_write_is_in_the_log_with_both_states(api, config_map):
    api.post(MAPS, config_map())
    api.clock.advance(5)
    api.merge(f"{MAPS}/settings", {"data": {"a": "2"}}, fieldManager="someone")
    api.put(f"{MAPS}/settings", {**config_map(), "metadata": {"name": "settings", "resourceVersion": "1"}})
    api.delete(f"{MAPS}/settings")
    made, patched, gone = api.server.commits
    assert [commit.verb for commit in api.server.commits] == ["create", "patch", "delete"]
    assert (patched.old["data"], patched.new["data"]) == ({"a": "1"}, {"a": "2"})
    assert (patched.monotonic, patched.manager, patched.user_agent) == (5.0, "someone", "tester/1.0")
    assert made.old is None
    assert gone.new is None
    assert made.resource_version < patched.resource_version < gone.resource_version


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [("text/plain", b"{}", 415), ("application/json", b"{", 400), ("application/json", b"[]", 400)],
)
def test_a_body_that_is_no_object_is_refused(api, kind, body, status):
    assert api("POST", MAPS, body, kind=kind).status == status


def test_yaml_is_understood_too(api):
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata: {a: b}\n"
    assert api("POST", MAPS, body, kind="application/yaml").body["data"] == {"a": "b"}


def test_equal_runs_give_equal_objects(api, config_map):
    other = type(api)()
    obj = config_map()
    obj["metadata"] = {"generateName": "x-"}
    assert [api.post(MAPS, obj).body for _ in range(3)] == [other.post(MAPS, obj).body for _ in range(3)]
