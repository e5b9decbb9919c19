"""`canary simulate`: thousands of rollouts of one Canary in virtual time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from canary.api.duration import parse_duration
from canary.cli.document import document
from canary.cli.exits import Exit, Failure
from canary.cli.spec_file import canary_in, documents_in
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
    name, spec, _ = canary_in(options.file)
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


def _scenario(options: Options) -> Scenario:
    """The fields of the file, and over them those that were typed."""
    try:
        typed = {name: value for name, value in options.fields.items() if value not in (None, False, [])}
        if not options.scenario:
            return parse_scenario(typed, "--")
        documents = documents_in(options.scenario)
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
