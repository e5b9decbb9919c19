"""Shell completion: what a shell asks for, and the lines that teach it to ask.

kubectl runs `kubectl_complete-canary WORDS…` for its plugins and reads what Cobra's completion protocol says: one
suggestion per line, with its description behind a tab, and at last a line with the directive
(https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/ and cobra's `ShellCompDirective`).
"""

from __future__ import annotations

from collections.abc import Sequence

NO_FILES = ":4"
"""Cobra's directive for: these are all, do not offer files."""


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
