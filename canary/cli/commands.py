"""The commands for people, about canaries in a cluster."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from canary.cli.flags import Flags
from canary.cli.options import given, with_flags
from canary.cli.registry import app, command


class Shape(StrEnum):
    JSON = "json"
    YAML = "yaml"


class Listed(StrEnum):
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def _canaries(ctx: typer.Context, incomplete: str) -> list[str]:
    from canary.cli.suggested import canaries

    return canaries(given(ctx), incomplete)


def _approvals(ctx: typer.Context, incomplete: str) -> list[str]:
    from canary.cli.suggested import approvals

    return approvals(given(ctx), incomplete)


def _goals(incomplete: str) -> list[tuple[str, str]]:
    return [
        ("promoted", "the revision serves all traffic"),
        ("rolled-back", "traffic was taken back"),
        ("paused", "people or a policy hold the rollout"),
        ("ready", "nothing is under way or wrong"),
        ("weight>=", "the canary has at least this share"),
    ]


def _version(wanted: bool) -> None:
    if wanted:
        from canary import __version__

        typer.echo(f"canary {__version__}")
        raise typer.Exit


def seconds(text: str) -> float:
    """A duration of the command line in seconds."""
    from canary.api.duration import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Name = Annotated[str, typer.Argument(help="The Canary.", autocompletion=_canaries)]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on showing changes.")]
Force = Annotated[bool, typer.Option("--force", help="Write over a command that the controller has not answered.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the controller has acted.")]
Timeout = Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long --wait waits.")]


def _root(
    flags: Flags,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Progressive delivery for Kubernetes on the Service Mesh Interface."""


app.callback()(with_flags(_root))


@command("get")
def get(
    flags: Flags,
    name: Annotated[str, typer.Argument(help="One Canary; all without it.", autocompletion=_canaries)] = "",
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")] = False,
    watch: Watch = False,
    output: Annotated[Listed | None, typer.Option("--output", "-o", help="Another form than the table.")] = None,
) -> int:
    """Lists Canaries.

    With --watch, changes follow: in a terminal as a live table, else one line for each.
    """
    from canary.cli import get as command
    from canary.cli.listing import Format
    from canary.cli.session import run

    if name and everywhere:
        raise typer.BadParameter("a NAME is in one namespace: leave out --all-namespaces")
    form = Format(output.value) if output else None
    act = command.watch if watch else command.get
    return run(flags, lambda session: act(session, name, everywhere=everywhere, form=form))


@command("status")
def status(flags: Flags, name: Name, watch: Watch = False) -> int:
    """Shows where a rollout stands and why it waits."""
    from canary.cli import status as command
    from canary.cli.session import run

    return run(flags, lambda session: (command.watch if watch else command.status)(session, name))


@command("wait")
def wait(
    flags: Flags,
    name: Name,
    goal: Annotated[
        str,
        typer.Option(
            "--for", metavar="GOAL", help="promoted, rolled-back, paused, ready, weight>=N.", autocompletion=_goals
        ),
    ] = "promoted",
    revision: Annotated[
        str, typer.Option("--revision", metavar="R", help="Wait for this one: a spec.revision or a canaryRevision.")
    ] = "",
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long to wait.")] = "30m",
    fail_on_paused: Annotated[bool, typer.Option("--fail-on-paused", help="A pause or approval ends it, too.")] = False,
) -> int:
    """Waits for a rollout; the exit code says how it went.

    Progress goes to stderr, the result to stdout. A status of an older spec counts for nothing. With --revision, a
    status counts only if it is about that revision: nothing is over before it arrives, and all is once another has
    taken its place. Without, it is the Canary that counts, whatever it rolls out. The goal weight>=N is reached by a
    promotion, too.
    """
    from canary.cli import wait as command
    from canary.cli.goal import Wait as Waiting
    from canary.cli.goal import parse_goal
    from canary.cli.session import run

    try:
        waiting = Waiting(parse_goal(goal), revision, fail_on_paused)
    except ValueError as error:
        raise typer.BadParameter(f"--for {error}") from None
    limit = seconds(timeout)
    return run(flags, lambda session: command.wait(session, name, waiting, limit))


def _order(flags: Flags, name: str, verb: str, force: bool, wait: bool, timeout: str, argument: str = "") -> int:
    from canary.cli import give
    from canary.cli.session import run
    from canary.core.commands import Verb

    manner = give.Manner(force, seconds(timeout) if wait else None)
    return run(flags, lambda session: give.command(session, name, Verb(verb), manner, argument))


@command("promote")
def promote(
    flags: Flags,
    name: Name,
    full: Annotated[bool, typer.Option("--full", help="Go to 100% instead of to the next weight.")] = False,
    force: Force = False,
    wait: Wait = False,
    timeout: Timeout = "30s",
) -> int:
    """Goes to the next weight now, whatever is waited for.

    Hold, checks and approvals before it are skipped; a breach still rolls back. With --full it goes to 100%, or, in
    managed mode, the stable copy takes it over; then one full Healthy window decides.
    """
    return _order(flags, name, "promote-full" if full else "promote", force, wait, timeout)


@command("approve")
def approve(
    flags: Flags,
    name: Name,
    approval: Annotated[str, typer.Argument(help="One of spec.steps[].approval.", autocompletion=_approvals)],
    force: Force = False,
    wait: Wait = False,
    timeout: Timeout = "30s",
) -> int:
    """Gives an approval that a step waits for.

    It may be given before the step is reached, and holds for this revision only.
    """
    return _order(flags, name, "approve", force, wait, timeout, approval)


@command("abort")
def abort(flags: Flags, name: Name, wait: Wait = False, timeout: Timeout = "30s") -> int:
    """Takes all traffic back at once.

    The revision is rejected until a retry. An abort is never refused, and works on an invalid spec and a paused or
    suspended rollout, too.
    """
    from canary.cli import give
    from canary.cli.session import run

    manner = give.Manner(wait=seconds(timeout) if wait else None)
    return run(flags, lambda session: give.abort_rollout(session, name, manner))


@command("pause")
def pause(flags: Flags, name: Name, force: Force = False, wait: Wait = False, timeout: Timeout = "30s") -> int:
    """Holds a rollout at its weight; a breach still ends it."""
    return _order(flags, name, "pause", force, wait, timeout)


@command("resume")
def resume(flags: Flags, name: Name, force: Force = False, wait: Wait = False, timeout: Timeout = "30s") -> int:
    """Ends a pause."""
    return _order(flags, name, "resume", force, wait, timeout)


@command("retry")
def retry(flags: Flags, name: Name, force: Force = False, wait: Wait = False, timeout: Timeout = "30s") -> int:
    """Rolls out again what was rolled back."""
    return _order(flags, name, "retry", force, wait, timeout)


@command("crd")
def crd(flags: Flags) -> None:
    """Prints the CustomResourceDefinition as YAML.

    Install it with: canary crd | kubectl apply --server-side -f -
    """
    from canary.api.crd import crd_yaml

    typer.echo(crd_yaml(), nl=False)


@command("version")
def version(
    flags: Flags,
    output: Annotated[Shape | None, typer.Option("--output", "-o", help="For programs.")] = None,
) -> None:
    """Shows the version of this program."""
    from canary import __version__
    from canary.api.names import API_VERSION

    if output is None:
        typer.echo(f"canary {__version__} ({API_VERSION})")
        return
    from canary.cli.document import document

    typer.echo(document({"version": __version__, "apiVersion": API_VERSION}, output.value), nl=False)


@command("completion")
def completion(flags: Flags, shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Prints the completion script of a shell.

    In bash: source <(canary completion bash). kubectl completes `kubectl canary` by itself where
    kubectl_complete-canary is in the PATH.
    """
    from canary.cli.completion import script

    typer.echo(script(shell.value), nl=False)
