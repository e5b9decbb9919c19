"""What is looked for: every rule with its id, its level, why it is one, and where that can be read.

Ids never change; `docs/reference/lint.md` is made of this list.
"""

from __future__ import annotations

from types import MappingProxyType

from canary.lint.error_rules import ERRORS
from canary.lint.finding import Level
from canary.lint.rule import Rule

_SEQUENCES = "https://projecteuclid.org/journals/annals-of-statistics/volume-49/issue-2/10.1214/20-AOS1991.full"

_STEPS = (
    Rule(
        id="short-hold",
        level=Level.WARNING,
        title="A hold ends before anything can be decided.",
        reason="A window counts if it began after the weight had settled, so a step lasts at least `settle` and one "
        "`interval`, whatever its hold. A test that compares needs two windows of half a minute or longer, three "
        "shorter ones, so that no single burst decides.",
        sources=("https://arxiv.org/abs/2205.14762",),
    ),
    Rule(
        id="no-hold",
        level=Level.NOTE,
        title="A step has no hold.",
        reason="It ends with its first Healthy window. What needs time to show, a leak or a full queue, does not.",
        sources=("https://sre.google/workbook/canarying-releases/",),
    ),
    Rule(
        id="min-requests",
        level=Level.WARNING,
        title="`minRequests` are not there when the hold ends.",
        reason="The step goes on until they are: with little traffic for hours. Without `--rps` it is a note that says "
        "which traffic is enough.",
        sources=("https://sre.google/workbook/canarying-releases/",),
    ),
    Rule(
        id="blind-step",
        level=Level.WARNING,
        title="In a step, not even a canary that fails every request is a breach.",
        reason="Fewer than `analysis.minBad` bad requests are no breach, since two failures of three requests may be "
        "chance. A step with fewer requests sees nothing: hold it longer, give it more weight, or make load.",
        sources=("https://sre.google/workbook/canarying-releases/",),
    ),
    Rule(
        id="empty-windows",
        level=Level.WARNING,
        title="Windows without any request are to be expected.",
        reason="A window without requests is no data: the rollout holds, and `analysis.noData` decides. With requests "
        "that come independently, exp(-n) of the windows are empty where n are expected.",
        sources=("https://en.wikipedia.org/wiki/Poisson_distribution",),
    ),
    Rule(
        id="all-at-once",
        level=Level.WARNING,
        title="The first weight is 100.",
        reason="All users meet the new revision at once, and nothing is left to compare it with.",
        sources=("https://sre.google/workbook/canarying-releases/",),
    ),
    Rule(
        id="full-weight",
        level=Level.NOTE,
        title="A step of 100 beside `targetRef`.",
        reason="In managed mode the stable copy takes the revision over at whatever weight the plan ends. A step of "
        "100 needs as many canary pods as there are stable ones, which then have no requests to compare with.",
    ),
)

_ANALYSIS = (
    Rule(
        id="limit-beyond-sample",
        level=Level.WARNING,
        title="A limit that the sample cannot carry.",
        reason="To show with 95 % confidence that a share is below a limit takes a number of requests, however good "
        "they are: 409 for 1 %. A step with fewer passes canaries that are worse. Hold a step longer, give it more "
        "weight, or set a limit that the traffic can show. Without `--rps` it is a note that says which traffic is "
        "enough.",
        sources=(_SEQUENCES,),
    ),
    Rule(
        id="sample-beyond-hold",
        level=Level.WARNING,
        title="The sample that a test needs is not there when the hold ends.",
        reason="A metric with `compare` or `mode: Sequential` passes no step before so many requests were answered "
        "that its limit could be shown. The step goes on until then. Without `--rps` it is a note that says which "
        "traffic is enough.",
        sources=(_SEQUENCES,),
    ),
    Rule(
        id="blind-comparison",
        level=Level.WARNING,
        title="No step can show that a canary is worse.",
        reason="The test needs more windows or more requests than any step below 100 has, so that only the limit "
        "counts. A latency quantile is one number a window: whether the canary's was higher is all that can be "
        "counted, and a p99 of fewer than 200 requests is chance. `slowerThan` and `maxShare` count requests, and "
        "need far fewer windows.",
        sources=("https://arxiv.org/abs/2205.14762",),
    ),
    Rule(
        id="detectable",
        level=Level.NOTE,
        title="What a comparison can show with this traffic.",
        reason="The smallest share of bad requests that nine of ten rollouts find within one step, if stable has as "
        "many as the limit allows. A smaller one is found later, or not at all: more weight and longer steps show "
        "more. Without `--rps` it says from which traffic on five times as many show.",
        sources=("https://arxiv.org/abs/2011.03567",),
    ),
    Rule(
        id="small-tolerance",
        level=Level.NOTE,
        title="A tolerance that is none.",
        reason="A comparison finds any difference, given requests enough, also one that matters to nobody: a cold "
        "cache, another node. A latency quantile scatters by itself and is never compared with less than 10.",
        sources=("https://sre.google/workbook/canarying-releases/",),
    ),
    Rule(
        id="no-comparison",
        level=Level.NOTE,
        title="A step of 100 beside `compare`.",
        reason="Without requests to stable there is no comparison; a limit goes on to count.",
        sources=("https://sre.google/workbook/canarying-releases/",),
    ),
    Rule(
        id="low-confidence",
        level=Level.WARNING,
        title="A confidence below 90.",
        reason="It is the share of healthy releases that no test rolls back, over the whole rollout and all metrics.",
        sources=(_SEQUENCES,),
    ),
    Rule(
        id="short-window",
        level=Level.NOTE,
        title="Windows are shorter than the numbers are fresh.",
        reason="A rate over a window needs some scrapes within it: four, so that one may fail. With source Prometheus "
        "the controller refuses less than four scrapes; servers of the SMI metrics API take 30s unless told otherwise, "
        "and do not refuse what their scrapes cannot fill.",
        sources=(
            "https://www.robustperception.io/what-range-should-i-use-with-rate/",
            "https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-metrics/v1alpha1/traffic-metrics.md",
        ),
    ),
    Rule(
        id="no-success-rate",
        level=Level.WARNING,
        title="No metric limits failures.",
        reason="A request that fails is often a fast one: latency alone may get better while everything fails.",
        sources=("https://sre.google/sre-book/monitoring-distributed-systems/#xref_monitoring_golden-signals",),
    ),
    Rule(
        id="advance-without-data",
        level=Level.WARNING,
        title="`noData.action: Advance` raises the weight of a canary that nobody has measured.",
        reason="No data is what a broken canary, a broken mesh and a broken scrape look like, too.",
        sources=("https://github.com/fluxcd/flagger/issues/1011",),
    ),
)

_GITOPS = (
    Rule(
        id="suspended",
        level=Level.NOTE,
        title="The Canary is suspended.",
        reason="With `suspend: true` in Git no rollout starts and no step is taken; a breach still rolls back.",
    ),
    Rule(
        id="duration",
        level=Level.NOTE,
        title="How long a rollout takes, and which `timeout` a wait for it needs.",
        reason="At best: the warm-up, and of each step its hold, or, where that is longer, `settle` and the windows "
        "that it needs. The timeout has room for windows that begin late and for `progressDeadline` while pods start "
        "(twice in managed mode: the stable copy's, too), rounded up to a minute. Approvals, pauses and waits for data "
        "come on top, and each breach that does not end the rollout begins the hold anew. With `early` a step is over "
        "after three windows at best. A wait that ends too soon "
        "calls a good rollout failed: Flux takes `spec.timeout` of a Kustomization, and its interval where there is "
        "none; Helm, from 4 on, waits for custom resources, 5m by default; `kubectl wait` ends after 30s. Argo CD's "
        "sync waits as long as it takes, `argocd app wait --timeout` takes seconds.",
        sources=(
            "https://fluxcd.io/flux/components/kustomize/kustomizations/#timeout",
            "https://helm.sh/community/hips/hip-0022",
            "https://kubernetes.io/docs/reference/kubectl/generated/kubectl_wait/",
            "https://argo-cd.readthedocs.io/en/stable/user-guide/commands/argocd_app_wait/",
        ),
    ),
    Rule(
        id="short-timeout",
        level=Level.WARNING,
        title="A Flux Kustomization waits for the Canary, and not long enough.",
        reason="Its `spec.timeout`, or its interval without one, is below what [duration](#duration) says: a rollout "
        "that goes well is reported as failed.",
        sources=("https://fluxcd.io/flux/components/kustomize/kustomizations/#timeout",),
    ),
)

RULES = MappingProxyType({rule.id: rule for rule in (*ERRORS, *_STEPS, *_ANALYSIS, *_GITOPS)})
"""Every rule by its id, in the order of the page."""

__all__ = ["RULES", "Rule"]
