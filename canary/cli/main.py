"""Where the program starts, under each of its names."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from canary.cli.app import app
from canary.cli.exits import Exit, Failure

INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C has ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (without the program's name; else that of the process) asks for."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    program = program_name(sys.argv[0])
    try:
        return _run(arguments, program)
    except Failure as failure:
        return _fail(failure, str(failure), failure.code, arguments)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        help_of = context.command_path if context is not None else program
        return _fail(error, f"{error.format_message()} See: {help_of} --help", Exit.ERROR, arguments)
    except typer.Abort:
        return INTERRUPTED
    except Exception as error:
        text = f"unexpected {type(error).__name__}: {error}; --debug shows where it comes from"
        return _fail(error, text, Exit.ERROR, arguments)


def _run(arguments: list[str], program: str) -> int:
    from typer.main import get_command

    result = get_command(app).main(arguments, prog_name=program, standalone_mode=False)
    return int(result or 0)


def _fail(error: Exception, text: str, code: int, arguments: Sequence[str]) -> int:
    if "--debug" in arguments:
        raise error
    print(f"Error: {' '.join(text.split())}", file=sys.stderr)
    return code


def program_name(argv0: str) -> str:
    """How people call this program: kubectl runs its plugins as `kubectl-canary`."""
    return "kubectl canary" if os.path.basename(argv0).removesuffix(".exe") == "kubectl-canary" else "canary"


def complete() -> int:
    """The entry of `kubectl_complete-canary`."""
    from canary.cli.completion import cobra

    sys.stdout.write(cobra(sys.argv[1:]))
    return Exit.REACHED


if __name__ == "__main__":
    sys.exit(main())
