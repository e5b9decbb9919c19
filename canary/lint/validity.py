"""What the controller's own validation says of a spec, at the lines where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from canary.api.canary import CanarySpec
from canary.api.validation import FieldError, validate
from canary.lint.finding import Finding
from canary.lint.spelling import close_to, field_named
from canary.lint.subject import Subject
from canary.metrics.source import Source
from canary.metrics.sources import Offer, Sources

_UNKNOWN = "is unknown; "
_CHOICE = "must be one of "
_NOBODY = cast(Source, None)  # Nothing is asked.
# What each source can carry where an administrator has done the best for it.
_SOURCES = Sources(
    {"SMI": Offer(_NOBODY, histogram=False), "Prometheus": Offer(_NOBODY), "Proxies": Offer(_NOBODY, peers=False)}
)


def spec_errors(subject: Subject) -> Iterator[Finding]:
    """Every error of the spec, in the order of the validation."""
    for error in validate(subject.value.get("spec")):
        unknown = error.message.startswith(_UNKNOWN)
        rule = "unknown-field" if unknown else "schema"
        yield subject.finding(
            rule, error.field, error.message, suggestion=_suggestion(subject.value, error), at_name=unknown
        )


def source_errors(subject: Subject, spec: CanarySpec) -> Iterator[Finding]:
    """What the metrics source that a valid spec names can carry nowhere."""
    for error in _SOURCES.errors(spec):
        yield subject.finding("source", error.field, error.message)


def _suggestion(value: Any, error: FieldError) -> str:
    if _CHOICE not in error.message:
        return ""
    choices = error.message.partition(_CHOICE)[2].split(", ")
    if error.message.startswith(_UNKNOWN):
        name = error.field.rpartition(".")[2]
        return close_to(name, choices) or field_named(name)
    given = _at(value, error.field)
    return close_to(given, choices) if isinstance(given, str) else ""


def _at(value: Any, path: str) -> Any:
    """The value at a path of the schema's own fields; `None` when it is not there."""
    for word in path.replace("[", ".[").split("."):
        if isinstance(value, dict):
            value = value.get(word)
        elif isinstance(value, list) and word.startswith("["):
            value = value[int(word[1:-1])]
        else:
            return None
    return value
