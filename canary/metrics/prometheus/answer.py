"""Reads answers of the query API: bytes to series, without any I/O.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/, "Format overview" and "Expression query result
formats". Numbers are strings, since JSON has no NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from canary.metrics.prometheus.prometheus import Point, PrometheusError, Series

MAX_WORDS = 200
"""Characters of somebody else's message that are passed on."""


class _Series(msgspec.Struct, frozen=True, gc=False):
    metric: dict[str, str]
    value: tuple[float, str] | None = None
    values: tuple[tuple[float, str], ...] | None = None


class _Kind(msgspec.Struct, frozen=True, rename="camel"):
    result_type: str = ""
    result: msgspec.Raw = msgspec.Raw(b"[]")


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    status: str = ""
    data: _Kind | None = None
    error_type: str = ""
    error: str = ""
    warnings: tuple[str, ...] | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_SERIES = msgspec.json.Decoder(list[_Series])
_BAD_QUERY = ("bad_data", "execution")
"""Types of error that lie in the query: it does not parse, or cannot be evaluated."""
_HINTS = {
    401: "; it wants a token, or another one",
    403: "; the token does not permit queries",
    404: "; does its address lack a path prefix?",
}


def parse(body: bytes) -> tuple[Sequence[Series], tuple[str, ...]]:
    """The series of an answer of status 200, and the warnings. Raises `PrometheusError`."""
    if body.lstrip()[:1] == b"<":
        raise PrometheusError("Prometheus answered HTML, not JSON: is its address right?", code=200)
    try:
        answer = _ANSWER.decode(body)
        if answer.status != "success" or answer.data is None:
            raise _failed(answer, 200)
        if answer.data.result_type not in ("vector", "matrix"):
            raise PrometheusError(f"Prometheus answered a {_cut(answer.data.result_type)}, not series", code=200)
        series = [_series(found) for found in _SERIES.decode(answer.data.result)]
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise PrometheusError(f"Prometheus answered what is no answer: {_cut(str(error))}", code=200) from error
    if len({frozenset(one.labels.items()) for one in series}) < len(series):
        raise PrometheusError("Prometheus answered the same series twice", code=200)
    return series, tuple(map(_cut, answer.warnings or ()))


def refusal(status: int, body: bytes) -> PrometheusError:
    """What an answer of another status than 200 says; never more of its body than Prometheus' own words."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        answer = _Answer()
    if answer.status == "error":
        return _failed(answer, status)
    if 300 <= status < 400:
        return PrometheusError(f"Prometheus answered {status}: redirects are not followed", code=status)
    return PrometheusError(f"Prometheus answered {status}{_HINTS.get(status, '')}", code=status)


def _failed(answer: _Answer, status: int) -> PrometheusError:
    rejected = answer.error_type in _BAD_QUERY and status < 500
    verb = "refused the query" if rejected else f"answered {status}"
    said = ": ".join(filter(None, (answer.error_type, answer.error))) or "no reason given"
    return PrometheusError(f"Prometheus {verb}: {_cut(said)}", code=status, rejected=rejected)


def _series(found: _Series) -> Series:
    if found.value is not None:
        return Series(found.metric, (_point(found.value),))
    if found.values:
        return Series(found.metric, tuple(map(_point, found.values)))
    # What is left are native histograms, which no query of ours asks for.
    raise ValueError("a series without samples")


def _point(sample: tuple[float, str]) -> Point:
    return Point(sample[0], float(sample[1]))


def _cut(words: str) -> str:
    return " ".join(words.split())[:MAX_WORDS]
