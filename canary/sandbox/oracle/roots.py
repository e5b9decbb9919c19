"""S8, S11 and S25 of the Services: whose pods the root and the stable Service select, and when a backend goes."""

from __future__ import annotations

from canary.sandbox.oracle.log import FASTEST, Broken, Write
from canary.sandbox.oracle.templates import held_revision
from canary.sandbox.oracle.workload import Workload


def judge_services(w: Workload, write: Write) -> Broken:
    """A write of a Service by a controller."""
    if write.plural != "services":
        return
    if write.new is None:
        yield from judge_removal(w, write)
    elif write.old is not None and write.name in (w.root, w.backends[0]):
        yield from _pointed(w, write)


def _pointed(w: Workload, write: Write) -> Broken:
    before, after = w.selects(write.old), w.selects(write.new)
    if before == after and (write.old or {})["spec"].get("selector") == (write.new or {})["spec"].get("selector"):
        return
    moments = w.since(("services", write.name))
    what = f"Service {write.name} selects {after or 'neither side'}"
    if after == w.target and not any(moment.deleting for moment in moments):
        yield "S25", f"{what}, though the Canary is not being deleted"
    elif after == w.stable and all(moment.deleting for moment in moments) and write.name == w.root:
        yield "S25", f"{what}, though the Canary was deleted before"
    elif not (after or any(m.deleting for m in moments) or w.selected_lately(write.new, write.monotonic)):
        yield "S25", what
    state, held = w.decided, held_revision(w)
    if after == w.target and write.name == w.root and state is not None and held in state.rejected:
        yield "S5", f"{what}, which holds {held}, and that was rejected"
    mine, other = (w.backends[0], w.backends[1]) if after == w.stable else (w.backends[1], w.backends[0])
    dead = w.endpoints.gone(mine, write.monotonic, w.blind)
    if write.name == w.root and before and dead and w.endpoints.ready(other):
        yield "S8", f"{what}, which has no ready endpoint, while the other side has some"


def judge_removal(w: Workload, write: Write) -> Broken:
    """A part that traffic depends on goes: its split has gone before, and proxies had time."""
    what = f"{write.plural} {write.name} was deleted"
    if not w.now.deleting:
        if write.plural != "controllerrevisions" and write.plural != "configmaps":
            yield "S11", f"{what} although the Canary is not"
        return
    depends = (write.plural, write.name) == ("deployments", w.stable) or write.plural == "services"
    if not depends:
        return
    unseen = _came_unseen(w, write.monotonic)
    if w.now.split and not unseen:
        yield "S11", f"{what} before the split"
    slack = FASTEST if w.skewed else 1.0
    if write.monotonic < w.now.at + w.settle / slack - 0.5 and len(w.moments) > 2 and not unseen:
        yield "S11", f"{what} {write.monotonic - w.now.at:.2f} s after the split"
    root = w.service(w.root)
    if write.plural == "deployments" and root is not None and w.selects(root) == w.stable:
        yield "S11", f"{what} while the root Service selects it"


def _came_unseen(w: Workload, at: float) -> bool:
    """The split is somebody else's, and so new that a watch may not have told of it."""
    if not w.now.split or w.now.state is not None:
        return False
    came = w.now.at
    for moment in reversed(w.moments):
        if not moment.split:
            break
        came = moment.at
    return came > at - w.blind
