"""`canary replay`: from options to a record and a plan, and what the plan would have decided."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from canary import __version__
from canary.api.canary import CanarySpec
from canary.cli.document import document
from canary.cli.exits import Exit, Failure
from canary.cli.flags import Flags
from canary.cli.packs import pack_of
from canary.cli.replayed import as_document, lines
from canary.cli.spec_file import SpecFile, canary_in
from canary.cli.terminal import Terminal
from canary.core.plan import Plan, plan_of
from canary.core.window import Peer
from canary.metrics.prometheus.http import BadAddress, HttpPrometheus
from canary.metrics.prometheus.pack import Pack
from canary.simulate.history.csv_record import read_csv
from canary.simulate.history.fetch import read_prometheus
from canary.simulate.history.moments import moments
from canary.simulate.history.record import HistoryError, Record
from canary.simulate.history.replay import Replayed, replay
from canary.simulate.history.thinning import Drawn, Evenly
from canary.simulate.history.whose import Whose
from canary.simulate.play import NeverAtRest, Outcome

EXITS = {Outcome.PROMOTED: Exit.REACHED, Outcome.ROLLED_BACK: Exit.FAILED, Outcome.UNFINISHED: Exit.TIMEOUT}
MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of one answer of Prometheus: raw samples are many."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `canary replay` as they were typed; an empty text stands for none."""

    file: str
    metrics: str = ""
    prometheus: str = ""
    period: str = ""
    pack: str = ""
    kind: str = ""
    stable: tuple[str, ...] = ()
    canary: tuple[str, ...] = ()
    ca_file: str = ""
    token_file: str = ""
    without: tuple[str, ...] = ()
    as_recorded: bool = False
    seed: int | None = None
    output: str = ""


def run(flags: Flags, options: Options, terminal: Terminal) -> int:
    """Print what would have been decided; the exit code says how it ended. Raises `Failure`."""
    if bool(options.metrics) is bool(options.prometheus):
        raise Failure("what was recorded? Name either --metrics FILE or --prometheus URL")
    if options.as_recorded and options.seed is not None:
        raise Failure("--as-recorded draws nothing, so --seed has no meaning beside it")
    found = canary_in(options.file)
    plan = _judged_without(plan_of(found.spec), options.without)
    try:
        record = _record(flags, options, found, plan)
        pick = None if options.as_recorded else Evenly() if options.seed is None else Drawn(random.Random(options.seed))
        replayed = replay(plan, record, pick)
    except (HistoryError, NeverAtRest) as error:
        raise Failure(str(error)) from error
    _print(found, replayed, options, terminal)
    return EXITS[replayed.played.outcome]


def _print(found: SpecFile, replayed: Replayed, options: Options, terminal: Terminal) -> None:
    title = "/".join(filter(None, (found.namespace, found.name)))
    if options.output:
        terminal.write(document(as_document(title, replayed), options.output))
        return
    for line in lines(title, replayed):
        terminal.print(line)


def _judged_without(plan: Plan, names: Iterable[str]) -> Plan:
    """The plan without those metrics. Raises `Failure` when one is unknown, or none is left."""
    known = [limit.name for limit in plan.limits]
    for name in names:
        if name not in known:
            raise Failure(f"--without {name}: the Canary has no such metric; it has {', '.join(known)}")
    limits = tuple(limit for limit in plan.limits if limit.name not in set(names))
    if not limits:
        raise Failure("--without: one metric at least must be judged")
    return msgspec.structs.replace(plan, limits=limits)


def _record(flags: Flags, options: Options, found: SpecFile, plan: Plan) -> Record:
    period = _period(options.period)
    if options.prometheus:
        if period is None:
            raise Failure("--prometheus needs --range START/END: when was the release?")
        if not options.pack:
            raise Failure("--prometheus needs --pack: what does the mesh call its metrics?")
        pack = pack_of(options.pack)
        return asyncio.run(_fetched(options, pack, _whose(flags, options, found, pack), period, plan))
    for option, given in (("--pack", options.pack), ("--kind", options.kind)):
        if given:
            raise Failure(f"{option} says how to ask Prometheus, and means nothing beside --metrics")
    record = read_csv(_text(options.metrics), options.metrics)
    return record if period is None else record.cut(*period)


def _period(text: str) -> tuple[float, float] | None:
    try:
        return moments(text) if text else None
    except ValueError as error:
        raise Failure(f"--range: {error}") from None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"--metrics {path}: {error.strerror or error}") from None
    except ValueError:
        raise Failure(f"--metrics {path}: this is no text in UTF-8") from None


async def _fetched(options: Options, pack: Pack, whose: Whose, period: tuple[float, float], plan: Plan) -> Record:
    try:
        prometheus = HttpPrometheus(
            options.prometheus,
            ca_file=options.ca_file or None,
            token_file=options.token_file or None,
            max_body=MAX_ANSWER,
            user_agent=f"canary-cli/{__version__}",
        )
    except BadAddress as error:
        raise Failure(f"--prometheus: {error}") from None
    timed = any(limit.quantile or limit.slower_than for limit in plan.limits)
    peers: tuple[Peer, ...] = plan.peers
    try:
        return await read_prometheus(prometheus, pack, whose, *period, timed=timed, peers=peers)
    finally:
        await prometheus.close()


def _whose(flags: Flags, options: Options, found: SpecFile, pack: Pack) -> Whose:
    """The workloads behind the two sides: those of the options, else of the Canary. Raises `Failure`."""
    namespace = flags.namespace or found.namespace
    if not namespace:
        raise Failure(f"{options.file} names no namespace: name it with -n")
    kind, stable, canary = _sides(found.spec, pack)
    kind = options.kind or kind
    whose = Whose(namespace, kind, options.stable or stable, options.canary or canary)
    if not (whose.kind and whose.stable and whose.canary):
        raise Failure(
            "whose numbers are those of the two sides? Name them with --kind, --stable and --canary, such as "
            "--kind Deployment --stable podinfo-v1 --canary podinfo-v2"
        )
    if set(whose.stable) & set(whose.canary):
        raise Failure("--stable and --canary name the same workload")
    return whose


def _sides(spec: CanarySpec, pack: Pack) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Kind and names, as far as the Canary says them; empty where the pods behind its Services would have to tell."""
    target, workload = spec.analysis.target, spec.target_ref
    if target is not None:
        return target.kind, (target.stable,), (target.canary,)
    if workload is not None:
        return workload.kind, (f"{workload.name}-stable",), (workload.name,)
    if spec.backends is not None and "deployment" not in pack.kinds:
        return "Service", (spec.backends.stable,), (spec.backends.canary,)
    return "", (), ()
