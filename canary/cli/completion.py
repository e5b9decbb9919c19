"""Shell completion: words of the program, and names out of the cluster when it answers at once.

kubectl runs `kubectl_complete-canary WORDS…` for its plugins and reads what Cobra's completion protocol says: one
suggestion per line, with its description behind a tab, and at last a line with the directive
(https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/ and cobra's `ShellCompDirective`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canary.cli.session import Session

NO_FILES = ":4"
"""Cobra's directive for: these are all, do not offer files."""
PATIENCE = 1.0
"""Seconds that a person waits for a suggestion, at most."""


def suggestions(words: Sequence[str]) -> list[tuple[str, str]]:
    """What may stand in place of the last of `words`, each with its description."""
    from typer._completion_classes import FishComplete
    from typer.main import get_command

    from canary.cli.registry import app

    *before, incomplete = words or ("",)
    complete = FishComplete(get_command(app), {}, "canary", "_CANARY_COMPLETE")
    items = complete.get_completions(list(before), incomplete)
    return [(str(item.value), (item.help or "").strip().partition("\n")[0]) for item in items]


def cobra(words: Sequence[str]) -> str:
    """The answer to kubectl. Whatever goes wrong, there is nothing to suggest: a shell cannot show an error."""
    try:
        found = suggestions(words)
    except Exception:
        found = []
    lines = [f"{value}\t{text}" if text else value for value, text in found]
    return "\n".join([*lines, NO_FILES]) + "\n"


def canaries(params: Mapping[str, Any], incomplete: str) -> list[str]:
    """Names of Canaries in the namespace that the options so far name."""

    async def names(session: Session) -> list[str]:
        from canary.cli.canaries import CANARIES

        listing = await session.client.list(CANARIES, session.namespace, timeout=PATIENCE, attempts=1)
        return [item["metadata"]["name"] for item in listing.items]

    return _asked(params, names, incomplete)


def approvals(params: Mapping[str, Any], incomplete: str) -> list[str]:
    """Approvals that the named Canary's steps have."""

    async def names(session: Session) -> list[str]:
        plan = (await session.canary(params["name"])).plan
        return [stage.approval for stage in plan.stages if stage.approval] if plan else []

    return _asked(params, names, incomplete)


def namespaces(params: Mapping[str, Any], incomplete: str) -> list[str]:
    """Namespaces of the cluster."""

    async def names(session: Session) -> list[str]:
        from canary.kube.resources import NAMESPACES

        listing = await session.client.list(NAMESPACES, timeout=PATIENCE, attempts=1)
        return [item["metadata"]["name"] for item in listing.items]

    return _asked(params, names, incomplete)


def _asked(params: Mapping[str, Any], ask: Callable[[Session], Awaitable[list[str]]], incomplete: str) -> list[str]:
    from canary.cli.flags import Flags
    from canary.cli.session import connected

    flags = Flags(params.get("kubeconfig"), params.get("context"), params.get("namespace"))

    async def main() -> list[str]:
        async with asyncio.timeout(PATIENCE), connected(flags) as session:
            return await ask(session)

    try:
        found = asyncio.run(main())
    except Exception:
        # No cluster, no rights, no time: a shell shows no error, it only offers nothing.
        return []
    return [name for name in found if name.startswith(incomplete)]


def script(shell: str) -> str:
    """The lines that teach a shell to complete `canary`. Raises `KeyError` for a shell that is not known."""
    return _SCRIPTS[shell]


_SCRIPTS = {
    "bash": """\
_canary_completion() {
    local word lines IFS=$'\\n'
    lines=$(kubectl_complete-canary "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    COMPREPLY=()
    for word in $lines; do
        [[ $word == :* ]] || COMPREPLY+=("${word%%$'\\t'*}")
    done
}
complete -F _canary_completion canary
""",
    "zsh": """\
#compdef canary
_canary() {
    local line
    local -a found
    for line in ${(f)"$(kubectl_complete-canary "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
        [[ $line == :* ]] || found+=("${line/$'\\t'/:}")
    done
    _describe canary found
}
compdef _canary canary
""",
    "fish": """\
function __canary_complete
    set -l words (commandline -opc) (commandline -ct)
    kubectl_complete-canary $words[2..-1] 2>/dev/null | string match -v ':*'
end
complete -c canary -f -a '(__canary_complete)'
""",
}
