"""Answers of the query API: what is read, and what each way to be wrong is called."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest

from canary.metrics.prometheus.answer import parse, refusal
from canary.metrics.prometheus.prometheus import Point, PrometheusError


def body(*result: Any, kind: str = "vector", **overrides: Any) -> bytes:
    answer = {"status": "success", "data": {"resultType": kind, "result": list(result)}}
    return json.dumps(answer | overrides).encode()


def sample(value: Any = "1", **labels: str) -> dict[str, Any]:
    return {"metric": labels, "value": [1700000000.781, value]}


def test_a_vector_has_one_sample_for_each_series() -> None:
    (series,), warnings = parse(body(sample("57.5", job="web")))
    assert series.labels == {"job": "web"}
    assert series.points == (Point(1700000000.781, 57.5),)
    assert warnings == ()


def test_a_matrix_has_many() -> None:
    (series,), _ = parse(body({"metric": {}, "values": [[1, "2"], [3, "4"]]}, kind="matrix"))
    assert series.points == (Point(1, 2), Point(3, 4))


def test_no_series_is_an_answer() -> None:
    assert parse(body()) == ([], ())


@pytest.mark.parametrize(("text", "value"), [("+Inf", math.inf), ("-Inf", -math.inf), ("1e-3", 0.001), ("-0", 0.0)])
def test_numbers_are_read_as_prometheus_writes_them(text: str, value: float) -> None:
    (series,), _ = parse(body(sample(text)))
    assert series.points[0].value == value


def test_nan_is_read() -> None:
    (series,), _ = parse(body(sample("NaN")))
    assert math.isnan(series.points[0].value)


def test_warnings_are_handed_on() -> None:
    assert parse(body(warnings=["a store was down"]))[1] == ("a store was down",)


def test_fields_that_newer_servers_add_do_no_harm() -> None:
    data = {"resultType": "vector", "result": [sample() | {"histogram": None}], "stats": {}}
    assert len(parse(body(data=data, infos=["x"]))[0]) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>secret</html>", "answered HTML, not JSON"),
        (b"  \n<!doctype html>", "answered HTML, not JSON"),
        (b"", "answered what is no answer: "),
        (b"secret", "answered what is no answer: "),
        (b'{"status":"\xff"}', "answered what is no answer: "),
        (b"\xff\xfe", "answered what is no answer: "),
        (body(sample())[:-20], "answered what is no answer: "),
        (b"[" * 100_000, "answered what is no answer: "),
        (b'{"x":' + b"[" * 100_000, "answered what is no answer: "),
        (b"[]", "answered what is no answer: "),
        (body(sample(None)), "answered what is no answer: "),
        (body(sample(1.5)), "answered what is no answer: "),
        (body(sample("many")), "answered what is no answer: "),
        (body({"metric": {}, "value": [1]}), "answered what is no answer: "),
        (body({"metric": {"a": 1}, "value": [1, "1"]}), "answered what is no answer: "),
        (body({"value": [1, "1"]}), "answered what is no answer: "),
        (body({"metric": {}}), "a series without samples"),
        (body({"metric": {}, "values": []}, kind="matrix"), "a series without samples"),
        (body({"metric": {}, "histogram": [1, {}]}), "a series without samples"),
        (body(data={"resultType": "scalar", "result": [1, "1"]}), "answered a scalar, not series"),
        (body(data={"resultType": "string", "result": [1, "x"]}), "answered a string, not series"),
        (body(data={"resultType": "streams", "result": []}), "answered a streams, not series"),
        (body(data=None), "answered 200: no reason given"),
        (body(status="error", errorType="timeout", error="too slow"), "answered 200: timeout: too slow"),
        (body(sample(a="1"), sample(b="2"), sample("2", a="1")), "answered the same series twice"),
    ],
)
def test_what_is_no_answer_is_said_without_what_it_was(answer: bytes, words: str) -> None:
    with pytest.raises(PrometheusError) as caught:
        parse(answer)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not caught.value.rejected


def error(kind: str, words: str) -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": words}).encode()


@pytest.mark.parametrize(
    ("status", "answer", "words", "rejected"),
    [
        (400, error("bad_data", "parse error"), "Prometheus refused the query: bad_data: parse error", True),
        (422, error("execution", "many-to-many"), "Prometheus refused the query: execution: many-to-many", True),
        (503, error("timeout", "query timed out"), "Prometheus answered 503: timeout: query timed out", False),
        (503, error("canceled", ""), "Prometheus answered 503: canceled", False),
        (500, error("internal", "disk\n\tfull"), "Prometheus answered 500: internal: disk full", False),
        (500, error("execution", "x"), "Prometheus answered 500: execution: x", False),
        (400, b"secret", "Prometheus answered 400", False),
        (401, b"secret", "Prometheus answered 401; it wants a token, or another one", False),
        (403, b"<html>secret", "Prometheus answered 403; the token does not permit queries", False),
        (404, b"secret", "Prometheus answered 404; does its address lack a path prefix?", False),
        (302, b"secret", "Prometheus answered 302: redirects are not followed", False),
        (204, b"", "Prometheus answered 204", False),
        (502, b'{"x":' + b"[" * 100_000, "Prometheus answered 502", False),
        (502, b"\xff", "Prometheus answered 502", False),
        (502, b'{"status":"\xff"}', "Prometheus answered 502", False),
        (502, b'{"status":"success"}', "Prometheus answered 502", False),
    ],
)
def test_a_refusal_says_its_status_and_prometheus_own_words(
    status: int, answer: bytes, words: str, rejected: bool
) -> None:
    failed = refusal(status, answer)
    assert str(failed) == words
    assert (failed.code, failed.rejected) == (status, rejected)


def test_long_words_are_cut() -> None:
    assert len(str(refusal(400, error("bad_data", "x" * 10_000)))) == len("Prometheus refused the query: ") + 200


def test_a_thousand_series_are_read_in_five_milliseconds() -> None:
    answer = body(
        *(sample("1.5", namespace="shop", deployment=f"web-{n}", classification="failure") for n in range(1000))
    )
    taken = []
    for _ in range(5):
        started = time.process_time()
        series, _ = parse(answer)
        taken.append(time.process_time() - started)
        assert len(series) == 1000
    assert min(taken) < 0.005
