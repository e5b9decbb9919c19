"""`canary simulate`: thousands of rollouts of one Canary in virtual time."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml
from rich.text import Text

from canary.api.canary import Canary, CanarySpec
from canary.api.duration import parse_duration
from canary.api.meta import ObjectMeta
from canary.api.validation import InvalidSpec, load_spec
from canary.cli.document import document
from canary.cli.exits import Exit, Failure
from canary.cli.terminal import Terminal
from canary.core.plan import plan_of
from canary.simulate.campaign import PEERS, campaign, cases_of, horizon_of, players_of
from canary.simulate.page import page
from canary.simulate.report import Report, glance
from canary.simulate.report import document as figures
from canary.simulate.scenario import BadScenario, Scenario, parse_scenario
from canary.simulate.tally import tally


@dataclass(frozen=True, slots=True)
class Options:
    """What was typed; `fields` are those of the scenario that were given as flags, over those of `scenario`'s file."""

    file: str
    scenario: str
    fields: Mapping[str, object]
    rollouts: int
    seed: int
    jobs: int
    compare: Sequence[str]
    horizon: str
    output: str


def simulate(terminal: Terminal, options: Options) -> int:
    """Plays the rollouts and shows what they came to. Raises `Failure`."""
    name, spec = canary_in(options.file)
    unknown = [peer for peer in options.compare if peer not in PEERS]
    if unknown:
        raise Failure(f"--compare: {unknown[0]!r} is none of {', '.join(PEERS)}")
    plan = plan_of(spec)
    scenario = _scenario(options)
    horizon = _horizon(options.horizon) or horizon_of(plan)
    players = players_of(plan, options.compare)
    cases = cases_of(plan, scenario, players, seed=options.seed, horizon=horizon)
    tallies = []
    for case, ended in campaign(cases, options.rollouts, options.jobs):
        tallies.append(tally(case, ended))
        terminal.progress(f"{len(tallies)} of {len(cases)} kinds: {case.player.name}, {case.regression.name}")
    terminal.progress("")
    report = Report(name, plan, scenario, players, tuple(tallies), options.rollouts, options.seed, horizon)
    if options.output == "json":
        terminal.write(document(figures(report), "json"))
    elif options.output == "html":
        terminal.write(page(report))
    else:
        for line, heading in glance(report):
            terminal.print(Text(line, style="bold") if heading else line)
    return Exit.REACHED


def canary_in(path: str) -> tuple[str, CanarySpec]:
    """Name and spec of the one Canary in a YAML file, `-` for standard input. Raises `Failure` with what is wrong."""
    found = [each for each in _documents(path) if isinstance(each, Mapping) and each.get("kind") == "Canary"]
    if len(found) != 1:
        raise Failure(f"{path}: must hold one object of kind Canary, and holds {len(found)}")
    metadata = found[0].get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    try:
        spec = msgspec.Raw(msgspec.json.encode(found[0].get("spec")))
        return str(name or "canary"), load_spec(Canary(ObjectMeta(), spec))
    except (InvalidSpec, TypeError) as error:
        raise Failure(f"{path}: {error}") from None


def _documents(path: str) -> list[Any]:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        return list(yaml.safe_load_all(text))
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Failure(f"{path}: not YAML: {error}") from error


def _scenario(options: Options) -> Scenario:
    """The fields of the file, and over them those that were typed."""
    try:
        typed = {name: value for name, value in options.fields.items() if value not in (None, False, [])}
        if not options.scenario:
            return parse_scenario(typed, "--")
        documents = _documents(options.scenario)
        if len(documents) > 1 or not isinstance(documents[0] if documents else {}, Mapping | None):
            raise Failure(f"{options.scenario}: must hold one mapping of fields")
        kept = (documents[0] if documents else None) or {}
        parse_scenario(kept, f"{options.scenario}: ")
        return parse_scenario({**kept, **typed}, "--")
    except BadScenario as error:
        raise Failure(str(error)) from None


def _horizon(text: str) -> float:
    if not text:
        return 0.0
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise Failure(f"--horizon: {error}") from None
    if not 60.0 <= seconds <= 604800.0:
        raise Failure(f"--horizon: must be from 1m to 168h, not {text}")
    return seconds
