"""The Services as the decision sees them: whose pods they select, and who else has a say in that."""

from __future__ import annotations

from typing import Any

from canary.controller.managed.candidate import stamp_of
from canary.controller.managed.inputs import Inputs
from canary.core.workload import Root, Selects
from canary.workload.claims import SELECTOR, applier, without_ours
from canary.workload.ownership import STABLE_SUFFIX, Ours, ownership
from canary.workload.selectors import relabelled, selects
from canary.workload.services import managed_elsewhere, original_selector
from canary.workload.stable import PREFERRED_KEYS, SideLabel

JSON = dict[str, Any]


def root_view(given: Inputs, root: JSON | None, model: JSON | None, label: SideLabel | None) -> Root:
    if root is None:
        return Root()
    owned = isinstance(ownership(root, given.mark, given.live), Ours)
    claim = "" if owned else managed_elsewhere(root)
    name, adoption = root["metadata"]["name"], given.spec.service.adoption
    elsewhere = ""
    if adoption == "Never" and not owned:
        elsewhere = f"Service {name} exists and spec.service.adopt is Never: let it select the stable pods yourself"
    elif adoption == "IfFree" and claim:
        elsewhere = (
            f"Service {name} is managed by {claim}, which would put its selector back: take the selector or the "
            "Service out of the manifest, or set spec.service.adopt to Force"
        )
    return Root(
        exists=True,
        selects=selected(root, model, label),
        elsewhere=elsewhere,
        contested=bool(claim or applier(root, SELECTOR)),
        stamp=stamp_of(root, given.mark.uid),
        claimed=not owned and without_ours(root) is not None,
    )


def selected(service: JSON | None, model: JSON | None, label: SideLabel | None) -> Selects:
    """Whose pods a Service selects; both sides' counts as the candidate's, since that is not stable's alone."""
    if service is None or model is None or label is None:
        return Selects.OTHER
    selector = {"matchLabels": service["spec"].get("selector") or {}}
    if not selector["matchLabels"]:
        return Selects.OTHER
    labels = model["spec"]["template"]["metadata"].get("labels") or {}
    if selects(selector, labels):
        return Selects.CANDIDATE
    return Selects.STABLE if selects(selector, labels | {label.key: label.stable}) else Selects.OTHER


def given_back(root: JSON, model: JSON, label: SideLabel) -> dict[str, str] | None:
    """What the root selected at first, if the target's pods are among that.

    Somebody may have changed it before it was taken over, and a root that we made has selected stable from the start.
    """
    original = original_selector(root)
    serves = selected({"spec": {"selector": original}}, model, label) is Selects.CANDIDATE
    return original if serves else None


def as_target(stable: JSON | None, name: str) -> JSON | None:
    """What the copy tells of a target that is gone: its labels; `None` when they cannot be told."""
    if stable is None:
        return None
    selector = stable["spec"]["selector"]
    marked = {key: value for key, value in selector["matchLabels"].items() if value.endswith(STABLE_SUFFIX)}
    key = next((key for key in PREFERRED_KEYS if key in marked), min(marked, default=""))
    if not key:
        return None
    mine = marked[key]
    theirs = mine.removesuffix(STABLE_SUFFIX)
    template = stable["spec"]["template"]
    labels = template["metadata"]["labels"] | {key: theirs}
    spec = stable["spec"] | {
        "selector": relabelled(selector, key, mine, theirs),
        "template": template | {"metadata": template["metadata"] | {"labels": labels}},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
