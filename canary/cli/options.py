"""The options that every command has, before or after its name, as kubectl's users are used to."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from canary.cli.flags import Flags

P = ParamSpec("P")


def _complete_namespace(ctx: typer.Context, incomplete: str) -> list[str]:
    from canary.cli.suggested import namespaces

    return namespaces(given(ctx), incomplete)


def given(ctx: typer.Context) -> dict[str, Any]:
    """What the command line says so far, before and after the command's name."""
    outer = ctx.parent.params if ctx.parent is not None else {}
    return {**outer, **{name: value for name, value in ctx.params.items() if value}}


_OPTIONS: dict[str, Any] = {
    "kubeconfig": Annotated[
        str | None, typer.Option("--kubeconfig", metavar="FILE", help="Kubeconfig file (KUBECONFIG, ~/.kube/config).")
    ],
    "context": Annotated[
        str | None, typer.Option("--context", metavar="NAME", help="Context of the kubeconfig (the current one).")
    ],
    "namespace": Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            metavar="NAME",
            help="Namespace (that of the context).",
            autocompletion=_complete_namespace,
        ),
    ],
    "no_color": Annotated[bool, typer.Option("--no-color", help="No colours; NO_COLOR does the same.")],
    "debug": Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")],
}
_DEFAULTS = {f.name: f.default for f in dataclasses.fields(Flags)}
SHARED = tuple(_OPTIONS)
"""The parameter names of the options that all commands share."""


def with_flags(
    function: Callable[Concatenate[Flags, P], int | None], *, without: tuple[str, ...] = ()
) -> Callable[..., int | None]:
    """`function` as typer takes it: its first parameter is filled from the shared options, less those in `without`.

    What stands before the command's name counts where nothing is given after it.
    """
    shared = [name for name in _OPTIONS if name not in without]
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS[name], annotation=_OPTIONS[name])
        for name in shared
    ]
    own = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]

    @functools.wraps(function)
    def command(ctx: typer.Context, **values: Any) -> int | None:
        flags = Flags(**{name: values.pop(name) for name in shared})
        outer = ctx.obj if isinstance(ctx.obj, Flags) else Flags()
        ctx.obj = flags.over(outer)
        call: Callable[..., int | None] = function
        return call(ctx.obj, **values)

    command.__signature__ = inspect.Signature([context, *own, *options])  # type: ignore[attr-defined]  # PEP 362
    return command
