"""The CustomResourceDefinition is complete, bounded and up to date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary.api.crd import crd, crd_yaml, schema
from canary.api.fields import PATTERN_MESSAGES
from canary.api.reference import pages
from canary.api.rules import RULES, at, by_cel
from canary.api.schema import check, with_defaults
from canary.sandbox.apiserver.table.jsonpath import find

ROOT = Path(__file__).parents[2]


def walk(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}" if path else name)
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")


NODES = dict(walk(schema()))
VERSION = crd()["spec"]["versions"][0]


@pytest.mark.parametrize("path", pages())
def test_a_generated_file_is_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == pages()[path], "run `make generate`"


def test_the_yaml_says_what_the_definition_says() -> None:
    assert yaml.safe_load(crd_yaml()) == crd()


def test_every_field_has_a_description() -> None:
    assert [path for path, node in NODES.items() if path != "metadata" and not node.get("description")] == []


def test_every_text_is_bounded() -> None:
    texts = [p for p, n in NODES.items() if n.get("type") == "string" and "maxLength" not in n and "enum" not in n]
    assert texts == []


def test_every_number_is_bounded() -> None:
    numbers = [
        path
        for path, node in NODES.items()
        if (node.get("type") == "integer" or "x-kubernetes-int-or-string" in node)
        and not {"minimum", "maximum"} <= node.keys()
    ]
    assert numbers == []


def test_every_list_is_bounded_and_says_how_it_merges() -> None:
    lists = {path: node for path, node in NODES.items() if node.get("type") == "array"}
    assert lists
    assert [p for p, n in lists.items() if "maxItems" not in n or "x-kubernetes-list-type" not in n] == []


def test_no_object_takes_unnamed_fields() -> None:
    assert [
        p for p, n in NODES.items() if n.get("type") == "object" and p != "metadata" and "properties" not in n
    ] == []


def test_the_schema_is_structural() -> None:
    forbidden = {"$ref", "title", "nullable", "anyOf", "oneOf", "allOf", "not", "definitions", "$defs"}
    assert [path for path, node in NODES.items() if forbidden & node.keys()] == []
    untyped = [p for p, n in NODES.items() if ("type" in n) == ("x-kubernetes-int-or-string" in n)]
    assert untyped == []


def test_required_fields_exist_and_have_no_default() -> None:
    for path, node in NODES.items():
        for name in node.get("required", ()):
            assert "default" not in node["properties"][name], f"{path}.{name}"


def test_every_default_is_valid_by_itself() -> None:
    for path, node in NODES.items():
        if "default" in node:
            assert list(check(node, with_defaults(node, node["default"]), path)) == []


def test_a_new_object_is_not_taken_for_a_finished_one() -> None:
    assert NODES["status"]["default"] == {"observedGeneration": -1}


def test_an_object_shows_the_nested_defaults() -> None:
    assert with_defaults(NODES["spec"], {})["analysis"] == {
        "interval": "30s",
        "warmup": "60s",
        "failureLimit": 3,
        "minBad": 5,
        "noData": {"timeout": "5m", "action": "Hold"},
        "sourceError": {"timeout": "15m", "action": "Hold"},
        "early": False,
        "metrics": [
            {"name": "success-rate", "min": "99"},
            {"name": "latency", "quantile": "p99", "max": "500ms"},
        ],
        "source": "SMI",
    }


def test_metrics_and_conditions_merge_by_key_and_steps_as_one_value() -> None:
    keys = {path: node.get("x-kubernetes-list-map-keys") for path, node in NODES.items() if node.get("type") == "array"}
    assert keys["spec.analysis.metrics"] == ["name"]
    assert keys["spec.service.ports"] == ["port", "protocol"]
    assert keys["status.conditions"] == ["type"]
    assert NODES["spec.steps"]["x-kubernetes-list-type"] == "atomic"


def test_names_do_not_collide() -> None:
    names = crd()["spec"]["names"]
    assert names["categories"] == ["progressive"]
    assert "shortNames" not in names


def test_the_columns_are_the_promised_ones() -> None:
    columns = VERSION["additionalPrinterColumns"]
    assert [c["name"].upper() for c in columns if not c.get("priority")] == [
        "READY",
        "PHASE",
        "WEIGHT",
        "STEP",
        "REVISION",
        "AGE",
    ]
    assert [c["name"].upper() for c in columns if c.get("priority") == 1] == ["MESSAGE", "TARGET"]


def test_every_column_shows_a_field_that_exists() -> None:
    for column in VERSION["additionalPrinterColumns"]:
        path = column["jsonPath"].removeprefix(".").replace('[?(@.type=="Ready")]', "[]")
        for name in ("targetRef", "service"):
            named = path.replace("['targetRef','service']", f".{name}")
            assert named in NODES or named == "metadata.creationTimestamp"


def test_the_target_is_the_workload_or_else_the_root_service() -> None:
    (target,) = [column for column in VERSION["additionalPrinterColumns"] if column["name"] == "Target"]
    service = {"service": {"name": "web"}}
    assert find(target["jsonPath"], {"spec": service | {"targetRef": {"name": "web-api"}}})[0] == "web-api"
    assert find(target["jsonPath"], {"spec": service})[0] == "web"


def test_words_beside_numbers_are_no_enumeration() -> None:
    # An enumeration would refuse every number.
    assert "enum" not in NODES["spec.canaryScale"]


def test_every_pattern_of_the_spec_is_explained() -> None:
    patterns = {node["pattern"] for path, node in NODES.items() if path.startswith("spec") and "pattern" in node}
    assert patterns <= PATTERN_MESSAGES.keys()


def test_fields_of_managed_mode_have_no_default_beside_the_other_mode() -> None:
    for path in ("spec.targetRef", "spec.canaryScale", "spec.autoscaler", "spec.service.adopt", "spec.service.ports"):
        assert "default" not in NODES[path]


def test_what_a_server_drops_or_adds_is_not_written() -> None:
    # GitOps tools would show it as drift for ever.
    assert "preserveUnknownFields" not in crd()["spec"]
    assert "status" not in crd()
    assert "status" in VERSION["subresources"]


def test_the_definition_fits_into_the_annotation_of_kubectl_apply() -> None:
    assert len(crd_yaml().encode()) < 64 * 1024


def test_every_rule_stands_in_the_schema_once() -> None:
    standing = {
        (path, validation["rule"])
        for path, node in NODES.items()
        for validation in node.get("x-kubernetes-validations", ())
    }
    assert standing == {(rule.path, rule.cel) for rule in RULES}
    assert len(standing) == len(RULES)
    assert set(by_cel()) == {rule.cel for rule in RULES}
    assert at("spec.ramp")[0].path == "spec.ramp"


def test_every_rule_points_at_a_field_that_exists() -> None:
    assert [rule for rule in RULES if rule.path + rule.field_path not in NODES] == []


def test_transition_rules_do_not_stand_below_a_list_without_keys() -> None:
    # An API server cannot tell which item of the old list is meant, and refuses the definition.
    assert [rule for rule in RULES if rule.transition and "[]" in rule.path] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.path} {rule.message[:20]}")
def test_a_rule_says_what_is_allowed(rule: Any) -> None:
    assert "must" in rule.message
