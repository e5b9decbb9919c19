"""What other programs make of a Canary's status: Argo CD, Flux and `kubectl wait`, and whether they agree.

`judge_all` asks the three; `consistent` holds their answers against the table that the status promises.
"""

from canary.sandbox.judges.argocd import Health
from canary.sandbox.judges.lua import JudgeUnavailable, ScriptError
from canary.sandbox.judges.matrix import MATRIX, Row, consistent, situation_of
from canary.sandbox.judges.verdicts import Verdicts, judge_all

__all__ = [
    "MATRIX",
    "Health",
    "JudgeUnavailable",
    "Row",
    "ScriptError",
    "Verdicts",
    "consistent",
    "judge_all",
    "situation_of",
]
