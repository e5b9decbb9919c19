"""The invariants of a rollout, checked on the log of accepted writes: one judge for every test that runs a rollout.

It reads no log line and trusts no status: only what the API server stored, in order, and what the metrics source really
answered. The numbers are those of `docs/reliability.md`.
"""

from canary.sandbox.oracle.judge import WORKLOAD, Oracle
from canary.sandbox.oracle.log import FRESH, MAX_BURST, Violation, Write

__all__ = ["FRESH", "MAX_BURST", "WORKLOAD", "Oracle", "Violation", "Write"]
