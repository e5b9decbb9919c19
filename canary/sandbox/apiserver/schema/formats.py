"""Formats that the API server checks in custom resources; any other format is ignored, as there.

Source: k8s.io/apiextensions-apiserver 0.36, supported formats; k8s.io/kube-openapi, package strfmt. Not checked here
although a real server does: isbn, isbn10, isbn13, creditcard, rgbcolor.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import re
from collections.abc import Callable

_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))")
_GO_DURATION = re.compile(r"[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)")
_SCALA_DURATION = re.compile(r"\d+\s*([A-Za-zµ]+)")
_UNITS = frozenset({"ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk"})
_UNIT_PREFIXES = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week")
_HOSTNAME = re.compile(r"[^\W_](-?[^\W_]{0,62})?|([^\W_](([^\W_]|-){0,61}[^\W_])?\.)+[^\W\d_]{2,63}")
_UUID = r"(?i:[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?%s[0-9a-f]{3}-?[0-9a-f]{12})"


def _date(text: str) -> bool:
    try:
        return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None and bool(datetime.date.fromisoformat(text))
    except ValueError:
        return False


def _date_time(text: str) -> bool:
    day, _, time = text.lower().partition("t")
    found = _TIME.fullmatch(time)
    return found is not None and _date(day) and found[1] <= "23" and found[2] <= "59" and found[3] <= "59"


def _duration(text: str) -> bool:
    if _GO_DURATION.fullmatch(text):
        return True
    units = [unit.lower() for unit in _SCALA_DURATION.findall(text)]
    return any(unit in _UNITS or unit.startswith(_UNIT_PREFIXES) for unit in units)


def _address(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return ipaddress.ip_address(text).version == version
        except ValueError:
            return False

    return check


def _cidr(text: str) -> bool:
    try:
        return "/" in text and bool(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return False


def _base64(text: str) -> bool:
    try:
        return bool(text) and base64.b64decode(text, validate=True) is not None
    except ValueError:
        return False


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_CHECKS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches(r"[0-9a-fA-F]{24}"),
    "byte": _base64,
    "cidr": _cidr,
    "date": _date,
    "datetime": _date_time,
    "duration": _duration,
    "email": _matches(r"[^@\s]+@[^@\s]+"),
    "hexcolor": _matches(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": lambda text: len(text) <= 255 and _HOSTNAME.fullmatch(text) is not None,
    "ipv4": _address(4),
    "ipv6": _address(6),
    "k8sshortname": _matches(_LABEL),
    "k8slongname": lambda text: len(text) <= 253 and re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", text) is not None,
    "mac": _matches(
        r"(?i:([0-9a-f]{2}[:-]){5}[0-9a-f]{2}|([0-9a-f]{2}[:-]){7}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4})"
    ),
    "password": lambda text: True,
    "ssn": _matches(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "uri": _matches(r"([A-Za-z][-+.A-Za-z0-9]*:[^\s]+|/[^\s]*)"),
    "uuid": _matches(_UUID % ("[0-9a-f]", "[0-9a-f]")),
    "uuid3": _matches(_UUID % ("3", "[0-9a-f]")),
    "uuid4": _matches(_UUID % ("4", "[89ab]")),
    "uuid5": _matches(_UUID % ("5", "[89ab]")),
}


def checked(types: tuple[str, ...], name: str) -> str:
    """`name` when the API server checks that format of a value of one of `types`, else an empty string."""
    if len(types) == 1 and types[0] in _NUMERIC:
        return name if name in _NUMERIC[types[0]] else ""
    textual = types == ("string",) or len(types) != 1
    return name if textual and name.replace("-", "") in _CHECKS else ""


def conforms(name: str, text: str) -> bool:
    """Whether `text` has the format `name`, one of strings for which `checked` gave an answer."""
    return _CHECKS[name.replace("-", "")](text)


def in_range(name: str, value: float) -> bool:
    """Whether the number fits `name`: int32, int64, float or double; anything else is as int64 for whole types."""
    if name in _BITS:
        return float(value).is_integer() and -(1 << _BITS[name]) <= value < 1 << _BITS[name]
    return name != "float" or abs(value) <= _MAX_FLOAT32


NUMBERS = frozenset({"int32", "int64", "float", "double"})
_NUMERIC = {"integer": ("int32", "int64"), "number": ("float", "double")}
_BITS = {"int32": 31, "int64": 63}
_MAX_FLOAT32 = 3.4028235677973366e38
