"""Whether an object is a Canary of ours, or was meant to be one; and what the API server asks of any object."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from canary.api.fields import NAME_PATTERN, OBJECT_PATTERN, PATTERN_MESSAGES
from canary.api.names import API_VERSION, GROUP, KIND
from canary.lint.finding import Finding
from canary.lint.spelling import close_to
from canary.lint.subject import Subject

_TOP = ("apiVersion", "kind", "metadata", "spec", "status")
# Source: Kubernetes, ObjectMeta v1 meta.
_METADATA = (
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
_MAX_LABEL = 63
_LABEL = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_SIMILAR = 0.8


def objects(value: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a document, each with its path: the document itself, or the items of a List in it."""
    if not isinstance(value, Mapping):
        return
    items = value.get("items")
    if str(value.get("kind")) in ("List", f"{KIND}List") and isinstance(items, list):
        for index, item in enumerate(items):
            if isinstance(item, Mapping):
                yield f"{path}items[{index}]", item
    else:
        yield path, value


def is_meant(value: Mapping[str, Any]) -> bool:
    """Whether it is a Canary of this project, or one with a mistake in its head. Others have Canaries, too."""
    version, kind = value.get("apiVersion"), value.get("kind")
    if isinstance(version, str) and version.partition("/")[0] == GROUP:
        return True
    if not isinstance(kind, str) or kind.lower() != KIND.lower():
        return False
    if not isinstance(version, str) or "/" not in version:
        return True
    return SequenceMatcher(None, version.partition("/")[0], GROUP).ratio() >= _SIMILAR


def head_errors(subject: Subject) -> Iterator[Finding]:
    """What is wrong outside of the spec."""
    value = subject.value
    for field, right in (("apiVersion", API_VERSION), ("kind", KIND)):
        if field not in value:
            yield subject.finding("identity", field, f"must be set, to {right}")
        elif value[field] != right:
            yield subject.finding("identity", field, f"must be {right}")
    for name in value:
        if name not in _TOP:
            words = f"is unknown; must be one of {', '.join(_TOP)}"
            yield subject.finding("unknown-field", name, words, suggestion=close_to(name, _TOP), at_name=True)
    metadata = value.get("metadata")
    if metadata is None:
        yield subject.finding("metadata", "metadata.name", "must be set")
    elif not isinstance(metadata, Mapping):
        yield subject.finding("metadata", "metadata", "must be an object")
    else:
        yield from _metadata_errors(subject, metadata)


def _metadata_errors(subject: Subject, metadata: Mapping[str, Any]) -> Iterator[Finding]:
    for name in metadata:
        if name not in _METADATA:
            words = f"is unknown; must be one of {', '.join(_METADATA)}"
            suggestion = close_to(name, _METADATA)
            yield subject.finding("unknown-field", f"metadata.{name}", words, suggestion=suggestion, at_name=True)
    if metadata.get("name") is None and metadata.get("generateName") is None:
        yield subject.finding("metadata", "metadata.name", "must be set")
    for name, pattern in (("name", OBJECT_PATTERN), ("namespace", NAME_PATTERN)):
        if metadata.get(name) is not None and (words := _name_error(metadata[name], pattern)):
            yield subject.finding("metadata", f"metadata.{name}", words)
    for name in ("labels", "annotations"):
        yield from _map_errors(subject, name, metadata.get(name))


def _name_error(value: Any, pattern: str) -> str:
    if not isinstance(value, str):
        return "must be a string"
    if len(value) > _MAX_LABEL:
        return f"must have at most {_MAX_LABEL} characters"
    # Python's $ also stands before a last line feed.
    return "" if re.search(pattern.replace("$", r"\Z"), value, re.ASCII) else PATTERN_MESSAGES[pattern]


def _map_errors(subject: Subject, name: str, found: Any) -> Iterator[Finding]:
    if found is None:
        return
    if not isinstance(found, Mapping):
        yield subject.finding("metadata", f"metadata.{name}", "must be an object")
        return
    for key, text in found.items():
        if not isinstance(text, str):
            yield subject.finding("metadata", f"metadata.{name}.{key}", 'must be a string: put it into quotes, as "1"')
        elif name == "labels" and (len(text) > _MAX_LABEL or not _LABEL.fullmatch(text)):
            words = f"must be at most {_MAX_LABEL} letters, digits, -, _ and ., a letter or digit at both ends"
            yield subject.finding("metadata", f"metadata.{name}.{key}", words)
