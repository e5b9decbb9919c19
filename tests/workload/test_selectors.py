"""What a label selector selects."""

from __future__ import annotations

import pytest

from canary.workload.selectors import relabelled, selects

LABELS = {"app": "web", "tier": "front"}


def expression(operator, *values, key="app"):
    return {"matchExpressions": [{"key": key, "operator": operator} | ({"values": list(values)} if values else {})]}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {}}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        ({"matchLabels": {"missing": ""}}, False),
        (expression("In", "web", "api"), True),
        (expression("In", "api"), False),
        (expression("NotIn", "api"), True),
        (expression("NotIn", "web"), False),
        (expression("NotIn", "x", key="missing"), True),
        (expression("Exists"), True),
        (expression("Exists", key="missing"), False),
        (expression("DoesNotExist", key="missing"), True),
        (expression("DoesNotExist"), False),
        (expression("Gt", "1"), False),
        ({"matchLabels": {"app": "web"}} | expression("In", "back", key="tier"), False),
    ],
)
def test_a_selector_selects_as_kubernetes_says(selector, selected):
    assert selects(selector, LABELS) is selected


def test_the_value_changes_wherever_the_key_stands():
    selector = {"matchLabels": {"app": "web", "tier": "web"}} | expression("In", "web", "api")
    assert relabelled(selector, "app", "web", "new") == (
        {"matchLabels": {"app": "new", "tier": "web"}} | expression("In", "new", "api")
    )


@pytest.mark.parametrize("selector", [{}, {"matchLabels": {"app": "api"}}, expression("Exists")])
def test_a_selector_that_does_not_name_the_value_stays(selector):
    assert relabelled(selector, "app", "web", "new") == selector
