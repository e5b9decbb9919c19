"""A deleted Canary: traffic to what serves, then the split is left as it is and the finalizer goes."""

from __future__ import annotations

from canary.core.decision import Act, Change, Decision, Direction, Outlook
from canary.core.phases import Trigger
from canary.core.rules.safety import drift, roll_back
from canary.core.situation import Situation


def delete(s: Situation) -> Decision | None:
    """First the weight, then our annotations; a rollout that is cut off is not counted against its revision."""
    if not s.observed.deleting:
        return None
    if s.state.running and (s.state.weight or s.split.weight_of(s.state.canary)):
        return roll_back(s, Trigger.DELETED, "Deleted", "the Canary is being deleted", rejects=False)
    return drift(s) or Decision(Change(Act.RELEASE, s.state, s.split.backends, Direction.LEVEL))


FINALIZE = Outlook("Deleting", "traffic is where it stays; the finalizer can go")
