"""The configuration that a template reads: found in every form, digested, copied and referred to by another name."""

from __future__ import annotations

import copy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.api.names import TRACK_ANNOTATION
from canary.workload.config import (
    ConfigRef,
    config_digest,
    copy_name,
    copy_of,
    copyable,
    references,
    renamed,
    tracked,
)
from tests.workload.templates import JSON, TEMPLATES, spoiled, template

MAP, SECRET = "ConfigMap", "Secret"
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
NAMES = st.from_regex(SUBDOMAIN, fullmatch=True).filter(lambda name: len(name) <= 253)
DIGEST = "0123456789abcdef" * 4


def in_env(field, ref):
    return template(containers=[{"name": "web", "env": [{"name": "A", "valueFrom": {field: ref}}]}])


def in_env_from(field, ref):
    return template(initContainers=[{"name": "init", "envFrom": [{field: ref}]}])


def in_volume(**volume):
    return template(volumes=[{"name": "v", **volume}])


@pytest.mark.parametrize(
    ("pod", "kind"),
    [
        (in_volume(configMap={"name": "app"}), MAP),
        (in_volume(secret={"secretName": "app"}), SECRET),
        (in_volume(projected={"sources": [{"configMap": {"name": "app"}}]}), MAP),
        (in_volume(projected={"sources": [{"secret": {"name": "app"}}]}), SECRET),
        (in_env("configMapKeyRef", {"name": "app", "key": "k"}), MAP),
        (in_env("secretKeyRef", {"name": "app", "key": "k"}), SECRET),
        (in_env_from("configMapRef", {"name": "app"}), MAP),
        (in_env_from("secretRef", {"name": "app"}), SECRET),
    ],
)
def test_every_form_of_a_reference_is_found_and_renamed(pod, kind):
    assert references(pod) == (ConfigRef(kind, "app"),)
    assert references(renamed(pod, {(kind, "app"): "copy"})) == (ConfigRef(kind, "copy"),)


@pytest.mark.parametrize(
    "pod",
    [
        template(imagePullSecrets=[{"name": "registry"}]),
        in_volume(csi={"driver": "d", "nodePublishSecretRef": {"name": "mount"}}),
        in_volume(cephfs={"secretRef": {"name": "mount"}}),
        in_env("fieldRef", {"fieldPath": "metadata.name"}),
        in_volume(configMap={"name": ""}),
        in_volume(configMap={}),
        in_volume(secret={"name": "of another field"}),
    ],
)
def test_what_containers_do_not_read_is_no_configuration(pod):
    assert references(pod) == ()


def test_what_is_required_once_is_required():
    optional, required = ({"configMap": {"name": "app", "optional": flag}} for flag in (True, False))
    assert references(template(volumes=[optional, optional])) == (ConfigRef(MAP, "app", True),)
    assert references(template(volumes=[optional, required])) == (ConfigRef(MAP, "app", False),)
    assert references(template(volumes=[required, optional])) == (ConfigRef(MAP, "app", False),)


@given(TEMPLATES)
def test_references_are_sorted_and_unique(pod):
    found = [ref[:2] for ref in references(pod)]
    assert found == sorted(set(found))


@given(JSON)
def test_whatever_is_no_template_refers_to_nothing(junk):
    assert references(junk) == ()


@given(TEMPLATES, st.randoms(use_true_random=False), JSON)
def test_a_spoiled_template_refers_to_no_more_than_the_whole_one(pod, rng, junk):
    found = {ref[:2] for ref in references(spoiled(pod, rng, junk)) if ref.name != junk}
    assert found <= {ref[:2] for ref in references(pod)}


RENAMINGS = st.dictionaries(
    st.tuples(st.sampled_from([MAP, SECRET]), st.sampled_from(["app", "db", "tls", "flags"])),
    st.sampled_from(["app", "db", "app-1", "db-1"]),
)


@given(TEMPLATES, RENAMINGS)
def test_renaming_maps_the_references_and_nothing_else(pod, names):
    before = copy.deepcopy(pod)
    result = renamed(pod, names)
    expected = {}
    for kind, name, optional in references(pod):
        key = kind, names.get((kind, name), name)
        expected[key] = expected.get(key, True) and optional
    assert references(result) == tuple(ConfigRef(*key, flag) for key, flag in sorted(expected.items()))
    assert shape(result) == shape(pod)
    assert pod == before


@given(TEMPLATES)
def test_renaming_there_and_back_gives_the_same_template(pod):
    there = {ref[:2]: f"{ref.name}-copy" for ref in references(pod)}
    back = {(kind, new): old for (kind, old), new in there.items()}
    assert renamed(renamed(pod, there), back) == pod
    assert renamed(pod, {}) == pod


def shape(value, holder=""):
    """A template without the names of what it refers to; containers, volumes and variables keep theirs."""
    refers = {"configMap", "secret", "configMapKeyRef", "secretKeyRef", "configMapRef", "secretRef"}
    if isinstance(value, dict):
        hidden = {"name", "secretName"} if holder in refers else set()
        return {key: None if key in hidden else shape(item, key) for key, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else value


# --- what is in them


def config_map(**fields):
    return {"metadata": {"name": "app", "namespace": "shop"}, "data": {"a": "1"}, **fields}


def secret(**fields):
    return {"metadata": {"name": "app", "namespace": "shop"}, "type": "Opaque", "data": {"a": "MQ=="}, **fields}


@pytest.mark.parametrize(
    "same",
    [
        config_map(metadata={"name": "other", "labels": {"a": "b"}, "resourceVersion": "7"}),
        config_map(kind=MAP, apiVersion="v1", immutable=True),
        config_map(binaryData=None),
        config_map(binaryData={}),
    ],
)
def test_only_the_content_counts(same):
    assert config_digest(same) == config_digest(config_map())


@pytest.mark.parametrize(
    "other",
    [
        config_map(data={"a": "2"}),
        config_map(data={"b": "1"}),
        config_map(data={"a": "1", "b": ""}),
        config_map(data=None, binaryData={"a": "1"}),
        config_map(data={}),
        config_map(binaryData={"b": "AA=="}),
        secret(data={"a": "1"}),
        secret(data={"a": "1"}, type="kubernetes.io/basic-auth"),
    ],
)
def test_another_content_has_another_digest(other):
    assert config_digest(other) != config_digest(config_map())


def test_the_type_of_a_secret_counts():
    assert config_digest(secret()) != config_digest(secret(type="example.com/own"))


@pytest.mark.parametrize(
    ("kind", "annotation", "secrets", "expected"),
    [
        (MAP, None, False, True),
        (MAP, "true", False, True),
        (MAP, "false", True, False),
        (SECRET, None, True, False),
        (SECRET, "true", False, False),
        (SECRET, "true", True, True),
        (SECRET, "yes", True, False),
        (SECRET, "false", True, False),
    ],
)
def test_config_maps_opt_out_and_secrets_opt_in(kind, annotation, secrets, expected):
    annotations = {} if annotation is None else {TRACK_ANNOTATION: annotation}
    assert tracked(ConfigRef(kind, "app"), annotations, secrets=secrets) is expected


# --- copies


def test_a_copy_is_named_after_its_content():
    assert copy_name("app", DIGEST) == "app-0123456789"


@given(NAMES)
def test_the_name_of_a_copy_is_a_valid_name(name):
    made = copy_name(name, DIGEST)
    assert len(made) <= 253
    assert SUBDOMAIN.fullmatch(made)


@pytest.mark.parametrize("end", ["a", "-", ".", "-.-", "---------------"])
def test_a_long_name_is_cut_to_a_valid_one(end):
    name = ("a" * (242 - len(end)) + end).ljust(253, "b")
    made = copy_name(name, DIGEST)
    assert len(made) <= 253
    assert re.fullmatch(r".*[a-z]-[0-9a-f]{10}", made)


def test_long_names_that_begin_alike_have_different_copies():
    assert copy_name("a" * 250 + "b", DIGEST) != copy_name("a" * 250 + "c", DIGEST)
    assert copy_name("a" * 250, DIGEST) != copy_name("a" * 250, DIGEST[::-1])


def test_nothing_of_the_users_metadata_is_copied():
    metadata = {
        "name": "app", "namespace": "shop", "uid": "u", "labels": {"theirs": "x"}, "annotations": {"theirs": "x"},
        "finalizers": ["theirs/f"], "ownerReferences": [{"name": "o"}],
    }  # fmt: skip
    made = copy_of(config_map(metadata=metadata), DIGEST, {"ours": "l"}, {"ours": "a"})
    assert made == {
        "apiVersion": "v1",
        "kind": MAP,
        "metadata": {
            "name": "app-0123456789",
            "namespace": "shop",
            "labels": {"ours": "l"},
            "annotations": {"ours": "a"},
        },
        "immutable": True,
        "data": {"a": "1"},
    }


@pytest.mark.parametrize("original", [config_map(), config_map(binaryData={"b": "AA=="}), config_map(data=None)])
def test_a_copy_of_a_config_map_has_the_content_of_its_original(original):
    made = copy_of(original, DIGEST, {}, {})
    assert made["kind"] == MAP
    assert config_digest(made) == config_digest(original)


@pytest.mark.parametrize("original", [secret(), secret(type="kubernetes.io/tls"), secret(data=None)])
def test_a_copy_of_a_secret_keeps_its_type(original):
    made = copy_of(original, DIGEST, {}, {})
    assert (made["kind"], made["type"]) == (SECRET, original["type"])
    assert config_digest(made) == config_digest(original)


def test_a_copy_shares_nothing_with_its_original():
    original = config_map()
    copy_of(original, DIGEST, {}, {})["data"]["a"] = "changed"
    assert original == config_map()


def test_tokens_of_the_control_plane_are_not_copied():
    assert copyable(config_map())
    assert copyable(secret())
    assert not copyable(secret(type="kubernetes.io/service-account-token"))
    assert not copyable(secret(type="bootstrap.kubernetes.io/token"))
