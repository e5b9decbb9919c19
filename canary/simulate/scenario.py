"""A scenario in texts, as flags or as a YAML file have it, and the traffic that it stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from canary.api.duration import parse_duration
from canary.simulate.clusters import Clusters
from canary.simulate.latency import Latency
from canary.simulate.traffic import Outage, Regression, Traffic

REGRESSIONS = ("2x", "5x", "20%")
_REGRESSION = re.compile(r"(?P<slow>slow:)?(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>x|%)")


class BadScenario(ValueError):
    """A field that is unknown or has a value that it cannot have; the message names it and says what is allowed."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """The traffic of all rollouts, and what is wrong with the canary in each kind of them; healthy is the first."""

    traffic: Traffic
    regressions: tuple[Regression, ...]


def parse_scenario(fields: Mapping[Any, object], where: str = "") -> Scenario:
    """The scenario of fields by their names, every one of which may be left out. `where` begins each message.

    Raises `BadScenario`.
    """
    unknown = sorted(str(name) for name in fields if name not in FIELDS)
    if unknown:
        raise BadScenario(f"{where}{unknown[0]}: there is no such field; there are {', '.join(FIELDS)}")
    values = {name: _value(name, fields, where) for name in FIELDS}
    if values["tail"] < values["latency"]:
        raise BadScenario(f"{where}tail: must not be below latency, which is the median")
    clusters = Clusters(values["retries"], values["scattered"], values["bursts"], values["pods"])
    outage = Outage(values["outage-after"], values["outage"], values["outage-errors"]) if values["outage"] else None
    latency = Latency(values["latency"], values["tail"])
    traffic = Traffic(
        values["rate"], values["errors"], latency, values["drift"], values["period"], outage, clusters
    )  # fmt: skip
    found = [_regression(text, values, where) for text in values["regression"]]
    return Scenario(traffic, (Regression(), *found))


def _value(name: str, fields: Mapping[Any, object], where: str) -> Any:
    field = FIELDS[name]
    value = fields.get(name)
    try:
        return field.parse(field.default if value is None else value)
    except ValueError as error:
        raise BadScenario(f"{where}{name}: {error}") from None


def _regression(text: str, values: Mapping[str, Any], where: str) -> Regression:
    """`5x` fails five times as much as stable, `20%` that share, `slow:2x` takes twice as long."""
    match, timing = _REGRESSION.fullmatch(text), (values["onset"], values["ramp"])
    if match is None or (match["slow"] and match["unit"] == "%"):
        raise BadScenario(f"{where}regression: {text!r} is none of 5x, 20% and slow:2x")
    number = float(match["number"])
    if match["slow"]:
        if not 1.0 < number <= 1000.0:
            raise BadScenario(f"{where}regression: {text}: must be more than 1x and at most 1000x")
        return Regression(f"latency {number:g}x", None, number, *timing)
    errors = number / 100.0 if match["unit"] == "%" else number * values["errors"]
    if not values["errors"] < errors <= 1.0:
        usual = 100.0 * values["errors"]
        raise BadScenario(f"{where}regression: {text}: must be more than errors, which is {usual:g}%, at most 100%")
    share = f"{100.0 * errors:g}% errors"
    return Regression(f"{number:g}x: {share}" if match["unit"] == "x" else share, errors, 1.0, *timing)


def _number(low: float, high: float) -> Callable[[object], float]:
    def parse(value: object) -> float:
        try:
            number = float(str(value))
        except ValueError:
            raise ValueError(f"must be a number, not {value!r}") from None
        if isinstance(value, bool) or not low <= number <= high:
            raise ValueError(f"must be from {low:g} to {high:g}, not {value}")
        return number

    return parse


def _whole(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        number = _number(low, high)(value)
        if number != int(number):
            raise ValueError(f"must be a whole number, not {value}")
        return int(number)

    return parse


def _percent(high: float) -> Callable[[object], float]:
    def parse(value: object) -> float:
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]+(\.[0-9]+)?%?", text):
            raise ValueError(f"must be a percentage such as 1%, not {value!r}")
        share = float(text.rstrip("%")) / 100.0
        if share > high:
            raise ValueError(f"must be at most {100.0 * high:g}%, not {text}")
        return share

    return parse


def _duration(low: str, high: str) -> Callable[[object], float]:
    def parse(value: object) -> float:
        seconds = parse_duration(str(value))
        if not parse_duration(low) <= seconds <= parse_duration(high):
            raise ValueError(f"must be from {low} to {high}, not {value}")
        return seconds

    return parse


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str | int | float):
        return (str(value),)
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return tuple(map(str, value))
    raise ValueError(f"must be a list, not {value!r}")


@dataclass(frozen=True, slots=True)
class Field:
    """How a field is read, what it is without a text, and what it is in words."""

    parse: Callable[[object], Any]
    default: object
    words: str


FIELDS: dict[str, Field] = {
    "rate": Field(_number(0.01, 1_000_000), 100, "requests per second to both sides"),
    "errors": Field(_percent(1.0), "0.1%", "share of requests that fails anyway"),
    "regression": Field(_texts, REGRESSIONS, "5x errors, 20% errors, or slow:2x latencies of a bad canary"),
    "onset": Field(_duration("0s", "168h"), "0s", "when the regression begins, after the canary's first request"),
    "ramp": Field(_duration("0s", "168h"), "0s", "in what time it grows to its full size"),
    "latency": Field(_duration("1ms", "1h"), "40ms", "median latency"),
    "tail": Field(_duration("1ms", "1h"), "200ms", "99th percentile of latencies"),
    "drift": Field(_percent(1.0), "0%", "by how much the load swings up and down"),
    "period": Field(_duration("1m", "720h"), "24h", "in what time it swings once"),
    "outage": Field(_duration("0s", "168h"), "0s", "how long both sides fail together"),
    "outage-after": Field(_duration("0s", "168h"), "2m", "when, after the canary's first request"),
    "outage-errors": Field(_percent(1.0), "10%", "share of requests that fails then"),
    "retries": Field(_number(1, 1000), 1, "how many requests fail together"),
    "scattered": Field(_flag, False, "that many in the mean, instead of always"),
    "bursts": Field(_number(0, 1000), 0, "times an hour that a pod fails 20 requests at once"),
    "pods": Field(_whole(1, 100_000), 10, "pods of both sides together"),
}  # fmt: skip
"""What a scenario has, by the name that is flag and YAML key."""
