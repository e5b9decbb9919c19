"""The command line as a whole, and how a function becomes one of its commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec

import typer

from canary.cli.flags import Flags
from canary.cli.options import with_flags

P = ParamSpec("P")

app = typer.Typer(
    name="canary",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def command(
    name: str, *, without: tuple[str, ...] = ()
) -> Callable[[Callable[Concatenate[Flags, P], int | None]], Callable[Concatenate[Flags, P], int | None]]:
    """Makes a function the command `name`, with the shared options less those in `without`."""

    def register(function: Callable[Concatenate[Flags, P], int | None]) -> Callable[Concatenate[Flags, P], int | None]:
        app.command(name)(with_flags(function, without=without))
        return function

    return register
