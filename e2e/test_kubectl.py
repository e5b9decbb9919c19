"""What kubectl and the API server's own documentation show of a Canary."""

from __future__ import annotations

import re
import subprocess

from e2e.shop import HELD, NAME, NEW, OLD, Shop
from e2e.smi_wire import Numbers

CANARY = "canaries.canary.delivery"
WAIT = "--timeout=30s"


def test_kubectl_wait_ends_when_the_release_is_promoted(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out()
    shop.kubectl("wait", "--for=condition=Promoted", f"{CANARY}/{NAME}", WAIT, timeout=40.0)
    assert shop.weights() == {NEW: 100}
    shop.kubectl("wait", "--for=condition=Ready", f"{CANARY}/{NAME}", WAIT)


def test_kubectl_wait_for_a_new_spec_does_not_take_the_old_promotion_for_it(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(steps=[{"weight": 100, "hold": "1s"}])
    shop.until_told("Promoted")
    shop.patch_spec({"backends": {"stable": NEW, "canary": OLD}})
    shop.kubectl("wait", "--for=condition=Promoted", f"{CANARY}/{NAME}", WAIT, timeout=40.0)
    assert shop.weights() == {OLD: 100}


def test_kubectl_wait_tells_a_failed_release_by_its_condition(shop: Shop) -> None:
    shop.open()
    shop.numbers(NEW, Numbers(rate=100, errors=1.0))
    shop.start()
    metrics = [{"name": "success-rate", "min": "99", "rollbackAt": "50"}]
    shop.roll_out(analysis={"interval": "1s", "warmup": "0s", "metrics": metrics})
    shop.kubectl("wait", "--for=condition=Promoted=False", f"{CANARY}/{NAME}", WAIT, timeout=40.0)
    assert shop.weights() == {OLD: 100}


def test_kubectl_get_shows_where_a_rollout_stands(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(revision="6.1.2", **HELD)
    shop.until_weight(20)
    shop.until_told("Progressing")
    header, row = shop.kubectl("get", CANARY).splitlines()
    assert header.split() == ["NAME", "READY", "PHASE", "WEIGHT", "STEP", "REVISION", "AGE"]
    assert row.split()[:5] == [NAME, "Unknown", "Progressing", "20", "1"]
    wide = shop.kubectl("get", CANARY, "-o", "wide").splitlines()[0].split()
    assert {"MESSAGE"} <= set(wide)
    assert NAME in shop.kubectl("get", "progressive")


def test_kubectl_describe_shows_the_events_of_a_rollout(shop: Shop) -> None:
    shop.open()
    shop.start()
    shop.roll_out(steps=[{"weight": 100, "hold": "1s"}])
    shop.until_told("Promoted")
    shop.until(lambda: "Promoted" in shop.reasons(), "event")
    described = shop.kubectl("describe", CANARY, NAME)
    events = described[described.index("Events:") :]
    for reason in ("Initialized", "NewRevisionDetected", "WeightAdvanced", "Promoted"):
        assert re.search(rf"Normal\s+{reason}\s.*canary.delivery/controller", events), events


def test_kubectl_explain_knows_every_field(shop: Shop) -> None:
    steps = shop.kubectl("explain", "canary.spec.steps", "--api-version=canary.delivery/v1beta1")
    assert re.search(r"weight\s+<integer>", steps)
    assert "Percentage of traffic for the canary" in steps
    whole = shop.kubectl("explain", "canary", "--recursive", "--api-version=canary.delivery/v1beta1")
    assert {"rollbackAt", "failureLimit", "canaryRevision", "splitUID"} <= set(whole.split())


def test_a_rollout_is_declared_and_declared_again_by_server_side_apply(shop: Shop) -> None:
    shop.open()
    shop.start()
    manifest = (
        f"apiVersion: canary.delivery/v1beta1\nkind: Canary\nmetadata: {{name: {NAME}}}\nspec:\n"
        f"  backends: {{stable: {OLD}, canary: {NEW}}}\n  service: {{name: {NAME}}}\n  traffic: {{settle: 0s}}\n"
        "  steps: [{weight: 100, hold: 1s}]\n  analysis: {interval: 1s, warmup: 0s}\n"
    )
    for _ in range(2):
        done = shop.plane.kubectl("-n", shop.namespace, "apply", "--server-side", "-f", "-", stdin=manifest)
        assert done.returncode == 0, done.stderr
        shop.until_told("Promoted")
    assert shop.raised() == [0, 100]
    diff: subprocess.CompletedProcess[str] = shop.plane.kubectl(
        "-n", shop.namespace, "diff", "--server-side", "-f", "-", stdin=manifest
    )
    assert (diff.returncode, diff.stdout) == (0, ""), "nothing of ours is in the fields of the user"
