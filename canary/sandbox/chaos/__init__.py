"""A rollout under fire: faults at the API server and the metrics source, dying, stopped and skewed controllers, and
people and programs that interfere.

Everything that happens is drawn from one seed before it begins, so a failure is replayed by its number:

    python -m canary.sandbox.chaos 42

After a while the faults cease and everything is as its owner wants it; then the rollout has to end, the status has to
follow, and nothing may be written any more. The oracle judges every write from the first to the last.
"""

from canary.sandbox.chaos.run import Failed, Run, play
from canary.sandbox.chaos.schedule import Action, Schedule, schedule_of

__all__ = ["Action", "Failed", "Run", "Schedule", "play", "schedule_of"]
