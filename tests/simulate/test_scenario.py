"""A scenario in texts: what each field stands for, and a message that names the one that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from canary.simulate.clusters import Clusters
from canary.simulate.latency import Latency
from canary.simulate.scenario import FIELDS, BadScenario, parse_scenario
from canary.simulate.traffic import Outage, Regression, Traffic


def test_without_any_field_there_is_a_scenario() -> None:
    found = parse_scenario({})
    assert found.traffic == Traffic()
    assert [each.name for each in found.regressions] == ["healthy", "2x: 0.2% errors", "5x: 0.5% errors", "20% errors"]


def test_every_field_means_what_it_says() -> None:
    found = parse_scenario({
        "rate": 50, "errors": "1%", "latency": "100ms", "tail": "1s", "drift": "30%", "period": "12h",
        "outage": "5m", "outage-after": "1m", "outage-errors": "8%", "retries": 3, "scattered": True, "bursts": 2,
        "pods": 20, "regression": ["slow:1.5x", "5%", "3x"], "onset": "10m", "ramp": "1m",
    })  # fmt: skip
    clusters = Clusters(3.0, True, 2.0, 20)
    assert found.traffic == Traffic(
        50.0, 0.01, Latency(0.1, 1.0), 0.3, 43200.0, Outage(60.0, 300.0, 0.08), clusters
    )  # fmt: skip
    assert found.regressions == (
        Regression(),
        Regression("latency 1.5x", None, 1.5, 600.0, 60.0),
        Regression("5% errors", 0.05, 1.0, 600.0, 60.0),
        Regression("3x: 3% errors", 0.03, 1.0, 600.0, 60.0),
    )


def test_one_regression_needs_no_list() -> None:
    assert [each.name for each in parse_scenario({"regression": "20%"}).regressions] == ["healthy", "20% errors"]


@pytest.mark.parametrize("fields", [{name: None} for name in FIELDS])
def test_an_empty_field_is_left_out(fields: dict[str, Any]) -> None:
    assert parse_scenario(fields) == parse_scenario({})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rates": 1}, "traffic.yaml: rates: there is no such field; there are rate, errors"),
        ({1: 1}, "traffic.yaml: 1: there is no such field"),
        ({"rate": "fast"}, "traffic.yaml: rate: must be a number, not 'fast'"),
        ({"rate": 0}, "traffic.yaml: rate: must be from 0.01 to 1e+06, not 0"),
        ({"rate": True}, "traffic.yaml: rate: must be "),
        ({"rate": float("nan")}, "traffic.yaml: rate: must be from"),
        ({"errors": "-1%"}, "traffic.yaml: errors: must be a percentage such as 1%, not '-1%'"),
        ({"errors": "101%"}, "traffic.yaml: errors: must be at most 100%, not 101%"),
        ({"latency": "40"}, "traffic.yaml: latency: must be a duration such as 30s"),
        ({"latency": "0s"}, "traffic.yaml: latency: must be from 1ms to 1h, not 0s"),
        ({"latency": "1s", "tail": "500ms"}, "traffic.yaml: tail: must not be below latency"),
        ({"pods": 1.5}, "traffic.yaml: pods: must be a whole number, not 1.5"),
        ({"scattered": "yes"}, "traffic.yaml: scattered: must be true or false, not 'yes'"),
        ({"regression": ["twice"]}, "traffic.yaml: regression: 'twice' is none of 5x, 20% and slow:2x"),
        ({"regression": ["slow:5%"]}, "traffic.yaml: regression: 'slow:5%' is none of"),
        ({"regression": ["slow:1x"]}, "traffic.yaml: regression: slow:1x: must be more than 1x"),
        ({"errors": "5%", "regression": ["5%"]}, "traffic.yaml: regression: 5%: must be more than errors, which is 5%"),
        ({"errors": "30%", "regression": "5x"}, "traffic.yaml: regression: 5x: must be more than errors"),
        ({"regression": {"errors": 1}}, "traffic.yaml: regression: must be a list, not {'errors': 1}"),
    ],
)
def test_a_bad_field_is_named(fields: dict[Any, Any], message: str) -> None:
    with pytest.raises(BadScenario) as caught:
        parse_scenario(fields, "traffic.yaml: ")
    assert str(caught.value).startswith(message)
