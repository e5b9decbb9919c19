"""Looks at the text of manifests: all errors, and advice where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from canary.api.canary import Canary
from canary.api.meta import ObjectMeta
from canary.api.names import GROUP, KIND
from canary.api.validation import load_spec
from canary.lint.case import Case, case_of, first_of_each
from canary.lint.comparisons import comparison_advice
from canary.lint.finding import Finding, Level
from canary.lint.identity import head_errors, is_meant, objects
from canary.lint.limits import metric_advice
from canary.lint.parts import Lines, Part, parts_of
from canary.lint.rules import RULES
from canary.lint.steps import step_advice
from canary.lint.subject import Subject
from canary.lint.timetable import Traffic
from canary.lint.tree import Broken, Tree
from canary.lint.validity import source_errors, spec_errors
from canary.lint.waits import is_kustomization, timeout_advice, wait_advice

_RENDER = "is a template, not YAML: render it first (helm template CHART | canary lint -f -)"


class Source(msgspec.Struct, frozen=True):
    """The bytes of a file. `asked` is whether somebody named it: what is found in a folder may be anything."""

    file: str
    data: bytes
    asked: bool = True


class Report(msgspec.Struct, frozen=True):
    """What was found, by file and place; `canaries` is how many there are, `cases` those that are valid."""

    canaries: int
    findings: tuple[Finding, ...]
    cases: tuple[Case, ...] = ()

    def count(self, level: Level) -> int:
        return sum(finding.level is level for finding in self.findings)


def lint(sources: Iterable[Source], traffic: Traffic | None = None, ignored: frozenset[str] = frozenset()) -> Report:
    """Looks at every document of every source. Never raises, whatever the bytes are.

    Findings of the rules `ignored` are left out, unless they are errors.
    """
    subjects: list[Subject] = []
    others: list[Subject] = []
    findings: list[Finding] = []
    order: dict[str, int] = {}
    for source in sources:
        order.setdefault(source.file, len(order))
        for found in _read(source):
            if isinstance(found, Finding):
                findings.append(found)
            else:
                (subjects if is_meant(found.value) else others).append(found)
    cases: list[Case] = []
    for subject in subjects:
        errors = _errors(subject)
        findings += errors
        if not errors:
            case = _case(subject, traffic or Traffic())
            findings += source_errors(subject, case.spec)
            findings += first_of_each(_advice(case))
            cases.append(case)
    for subject in others:
        if is_kustomization(subject.value):
            findings += timeout_advice(subject, cases)
    kept = (f for f in findings if f.rule not in ignored or f.level is Level.ERROR)
    return Report(len(subjects), tuple(sorted(kept, key=lambda f: (order[f.file], f.place))), tuple(cases))


def _advice(case: Case) -> Iterator[Finding]:
    yield from step_advice(case)
    yield from metric_advice(case)
    yield from comparison_advice(case)
    yield from wait_advice(case)


def _read(source: Source) -> Iterator[Subject | Finding]:
    text = source.data.decode("utf-8-sig", "replace")
    lines = Lines(text)
    if source.file.endswith(".json") or text.lstrip()[:1] in ("{", "["):
        # JSON may be indented by tabs, YAML may not.
        text = text.replace("\t", " ")
    for part in parts_of(text):
        try:
            tree = Tree(part, lines)
        except Broken as broken:
            if source.asked or _mentions(part):
                yield _broken(source.file, part, broken)
            continue
        for path, value in objects(tree.value):
            yield Subject(source.file, tree, value, path)


def _mentions(part: Part) -> bool:
    return GROUP in part.text or f"kind: {KIND}" in part.text


def _broken(file: str, part: Part, broken: Broken) -> Finding:
    template = "{{" in part.text
    rule, words = ("template", _RENDER) if template else ("syntax", str(broken))
    return Finding(file=file, place=broken.place, level=RULES[rule].level, rule=rule, message=words)


def _errors(subject: Subject) -> list[Finding]:
    duplicates = [
        Finding(
            file=subject.file,
            place=duplicate.place,
            level=Level.ERROR,
            rule="duplicate-key",
            field=duplicate.field,
            message="stands twice in the same object",
            canary=subject.name,
        )
        for duplicate in subject.tree.duplicates
        if duplicate.field.startswith(subject.path)
    ]
    return [*duplicates, *head_errors(subject), *spec_errors(subject)]


def _case(subject: Subject, traffic: Traffic) -> Case:
    spec: Any = subject.value["spec"]
    canary = Canary(ObjectMeta(), msgspec.Raw(msgspec.json.encode(spec)))
    return case_of(subject, load_spec(canary), traffic)
