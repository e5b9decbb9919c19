"""`canary lint`: reads the files, and shows what was found in them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import BinaryIO

from rich.text import Text

from canary import __version__
from canary.cli.exits import Exit, Failure
from canary.cli.terminal import Terminal, clean
from canary.lint.case import Case
from canary.lint.check import Report, Source, lint
from canary.lint.finding import Finding, Level
from canary.lint.report import breach_from, plain
from canary.lint.rules import RULES
from canary.lint.sarif import sarif
from canary.lint.timetable import Traffic
from canary.lint.words import count, lasting, percent

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
_STYLES = {Level.ERROR: "bold red", Level.WARNING: "bold yellow", Level.NOTE: "bold cyan"}
_NONE = "-"


class Form(StrEnum):
    JSON = "json"
    SARIF = "sarif"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options as they were typed. `rps` is requests per second, `ignored` ids of rules."""

    rps: float | None = None
    strict: bool = False
    plan: bool = False
    ignored: Sequence[str] = ()
    form: Form | None = None


def command(terminal: Terminal, names: Sequence[str], options: Options, stdin: BinaryIO | None = None) -> int:
    """Look at the files and show what was found. Raises `Failure` when there is nothing to look at."""
    _known(options.ignored)
    if options.rps is not None and not isfinite(options.rps):
        raise Failure(f"--rps must be a number of requests per second, not {options.rps}")
    sources = list(read(names, sys.stdin.buffer if stdin is None else stdin))
    report = lint(sources, Traffic(options.rps), frozenset(options.ignored))
    if not report.canaries and not report.count(Level.ERROR):
        raise Failure(f"no Canary found in {', '.join(names)}: there is nothing of apiVersion canary.delivery/v1beta1")
    if options.form is Form.JSON:
        terminal.write(json.dumps(plain(report), indent=2, ensure_ascii=False) + "\n")
    elif options.form is Form.SARIF:
        terminal.write(json.dumps(sarif(report, __version__), indent=2, ensure_ascii=False) + "\n")
    else:
        _show(terminal, report, plan=options.plan)
    failed = report.count(Level.ERROR) or (options.strict and report.count(Level.WARNING))
    return Exit.FAILED if failed else Exit.REACHED


def read(names: Sequence[str], stdin: BinaryIO) -> Iterator[Source]:
    """What stands in the files, in the manifests below the folders, and in stdin for `-`. Raises `Failure`."""
    if not names:
        raise Failure("name a file, a folder or - for stdin: canary lint -f FILE")
    for name in dict.fromkeys(names):
        if name == STDIN:
            yield Source(STDIN, stdin.read())
        elif os.path.isdir(name):
            yield from (Source(path, _bytes(path), asked=False) for path in manifests(name))
        else:
            yield Source(name, _bytes(name))


def manifests(folder: str) -> list[str]:
    """The YAML and JSON files below a folder, in order; what is hidden is left out."""
    found = []
    for at, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(at, name) for name in files if name.endswith(SUFFIXES) and not name.startswith(".")]
    return sorted(found)


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from error


def _known(ignored: Sequence[str]) -> None:
    advice = [rule.id for rule in RULES.values() if rule.level is not Level.ERROR]
    for rule in ignored:
        if rule not in advice:
            raise Failure(f"--ignore: {rule!r} is no advice; there is {', '.join(advice)}")


def _show(terminal: Terminal, report: Report, *, plan: bool) -> None:
    for finding in report.findings:
        terminal.print(line(finding))
    for case in report.cases if plan else ():
        for text in table(case):
            terminal.print(text)
    counts = [(report.canaries, "Canary", "Canaries")]
    counts += [(report.count(level), level.value, f"{level.value}s") for level in Level]
    terminal.note(", ".join(f"{number} {one if number == 1 else many}" for number, one, many in counts))


def line(finding: Finding) -> Text:
    """One finding as compilers write it: `canary.yaml:12:9: error: spec.steps[0].weight: must … [schema]`."""
    place = finding.place
    return Text.assemble(
        (clean(f"{finding.file}:{place.line}:{place.column}: "), "bold"),
        (f"{finding.level.value}: ", _STYLES[finding.level]),
        clean(finding.sentence),
        (f" [{finding.rule}]", "dim"),
    )


def table(case: Case) -> Iterator[str]:
    """The plan of a Canary, step by step."""
    rows = [("STEP", "WEIGHT", "LASTS", "WINDOWS", "REQUESTS", "BREACH FROM")]
    for held in case.table.held:
        requests, least = case.requests(held), breach_from(case, held)
        shown = _NONE if least is None else "never" if least > 1.0 else percent(least)
        rows.append(
            (
                str(held.number),
                f"{held.stage.weight}%",
                lasting(held.whole) if held.least == held.whole else f"{lasting(held.least)} to {lasting(held.whole)}",
                str(held.windows),
                _NONE if requests is None else count(requests),
                shown,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield ""
    yield clean(f"{case.subject.name or case.subject.file}: {lasting(case.table.least)} at best")
    for row in rows:
        yield "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def completed(incomplete: str) -> list[str]:
    """Folders and manifests whose path begins like that."""
    folder, name = os.path.split(incomplete)
    try:
        found = sorted(os.listdir(folder or "."))
    except OSError:
        return []
    paths = [os.path.join(folder, each) for each in found if each.startswith(name)]
    folders = [f"{path}/" for path in paths if os.path.isdir(path)]
    return [*folders, *(path for path in paths if path.endswith(SUFFIXES) and os.path.isfile(path))]
