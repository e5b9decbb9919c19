"""How names, labels and their keys may be written, and what the API server says when they are not.

Source: k8s.io/apimachinery, packages util/validation and api/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from canary.sandbox.apiserver.schema import Cause, causes

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
RFC1123_LABEL = re.compile(_LABEL)
RFC1123_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_QUALIFIED_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def key_problem(key: str) -> str:
    """What is wrong with the key of a label, an annotation or the like; empty when nothing is."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not RFC1123_SUBDOMAIN.fullmatch(prefix)):
        return f"prefix part {SUBDOMAIN_RULE}"
    if len(name) > 63:
        return "name part must be no more than 63 bytes"
    return "" if QUALIFIED.fullmatch(name) else _QUALIFIED_RULE


def label_problems(labels: Mapping[str, Any], path: str) -> Iterator[Cause]:
    """What is wrong with the labels at `path`."""
    for key, value in labels.items():
        if problem := key_problem(key):
            yield causes.invalid(path, key, problem)
        if len(str(value)) > 63:
            yield causes.invalid(path, value, "must be no more than 63 bytes")
        elif value and not QUALIFIED.fullmatch(str(value)):
            yield causes.invalid(path, value, _LABEL_VALUE_RULE)
