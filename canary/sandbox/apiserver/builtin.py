"""The kinds that are served without a CustomResourceDefinition."""

from __future__ import annotations

from canary.sandbox.apiserver.restype import VERBS, ResourceType, ScalePaths

_REPLICAS = ScalePaths(selector=".spec.selector")


def _kind(
    group: str,
    version: str,
    plural: str,
    kind: str,
    short: str = "",
    *,
    namespaced: bool = True,
    status: bool = False,
    generation: bool = False,
    scale: ScalePaths | None = None,
    categories: tuple[str, ...] = (),
    verbs: tuple[str, ...] = VERBS,
    storage: tuple[str, str] | None = None,
    creates_on_update: bool = False,
    unconditional_update: bool = True,
    returns_deleted: bool = False,
    default_propagation: str = "Background",
    collected: bool = True,
) -> ResourceType:
    return ResourceType(
        group=group,
        version=version,
        plural=plural,
        kind=kind,
        singular=kind.lower(),
        list_kind=f"{kind}List",
        storage=storage or (group, plural),
        storage_version=version,
        namespaced=namespaced,
        short_names=tuple(short.split()),
        categories=categories,
        verbs=verbs,
        status=status,
        scale=scale,
        counts_generations=generation,
        creates_on_update=creates_on_update,
        unconditional_update=unconditional_update,
        returns_deleted=returns_deleted,
        default_propagation=default_propagation,
        collected=collected,
    )


_ALL = ("all",)
_RBAC = "rbac.authorization.k8s.io"
_REVIEW = ("create",)

CRD_GROUP = "apiextensions.k8s.io"
CRDS = _kind(
    CRD_GROUP,
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    "crd crds",
    namespaced=False,
    status=True,
    generation=True,
    categories=("api-extensions",),
    unconditional_update=False,
)
NAMESPACES = _kind("", "v1", "namespaces", "Namespace", "ns", namespaced=False, status=True, verbs=VERBS)
PODS = _kind("", "v1", "pods", "Pod", "po", status=True, generation=True, categories=_ALL, returns_deleted=True)
SERVICES = _kind(
    "",
    "v1",
    "services",
    "Service",
    "svc",
    status=True,
    categories=_ALL,
    creates_on_update=True,
    returns_deleted=True,
)
SERVICE_ACCOUNTS = _kind("", "v1", "serviceaccounts", "ServiceAccount", "sa", returns_deleted=True)
EVENTS = _kind("", "v1", "events", "Event", "ev", creates_on_update=True, collected=False)

BUILTIN: tuple[ResourceType, ...] = (
    NAMESPACES,
    PODS,
    SERVICES,
    EVENTS,
    CRDS,
    _kind("", "v1", "configmaps", "ConfigMap", "cm"),
    _kind("", "v1", "secrets", "Secret"),
    SERVICE_ACCOUNTS,
    _kind("", "v1", "endpoints", "Endpoints", "ep"),
    _kind("", "v1", "nodes", "Node", "no", namespaced=False, status=True),
    _kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", "pvc", status=True, returns_deleted=True),
    _kind("", "v1", "resourcequotas", "ResourceQuota", "quota", status=True, returns_deleted=True),
    _kind("", "v1", "limitranges", "LimitRange", "limits"),
    _kind(
        "events.k8s.io",
        "v1",
        "events",
        "Event",
        "ev",
        storage=("", "events"),
        creates_on_update=True,
        collected=False,
    ),
    _kind(
        "apps",
        "v1",
        "deployments",
        "Deployment",
        "deploy",
        status=True,
        generation=True,
        scale=_REPLICAS,
        categories=_ALL,
    ),
    _kind(
        "apps",
        "v1",
        "replicasets",
        "ReplicaSet",
        "rs",
        status=True,
        generation=True,
        scale=_REPLICAS,
        categories=_ALL,
    ),
    _kind(
        "apps",
        "v1",
        "statefulsets",
        "StatefulSet",
        "sts",
        status=True,
        generation=True,
        scale=_REPLICAS,
        categories=_ALL,
    ),
    _kind("apps", "v1", "daemonsets", "DaemonSet", "ds", status=True, generation=True, categories=_ALL),
    _kind("apps", "v1", "controllerrevisions", "ControllerRevision"),
    _kind(
        "batch",
        "v1",
        "jobs",
        "Job",
        status=True,
        generation=True,
        categories=_ALL,
        default_propagation="Orphan",
    ),
    _kind("batch", "v1", "cronjobs", "CronJob", "cj", status=True, generation=True, categories=_ALL),
    _kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", generation=True),
    _kind("coordination.k8s.io", "v1", "leases", "Lease", creates_on_update=True, unconditional_update=False),
    _kind(_RBAC, "v1", "roles", "Role", creates_on_update=True),
    _kind(_RBAC, "v1", "rolebindings", "RoleBinding", creates_on_update=True),
    _kind(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False, creates_on_update=True),
    _kind(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False, creates_on_update=True),
    _kind(
        "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa", status=True, categories=_ALL
    ),
    _kind(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        "pdb",
        status=True,
        generation=True,
        unconditional_update=False,
    ),
    _kind("networking.k8s.io", "v1", "ingresses", "Ingress", "ing", status=True, generation=True),
    _kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "netpol", generation=True),
    _kind(
        "apiregistration.k8s.io",
        "v1",
        "apiservices",
        "APIService",
        namespaced=False,
        status=True,
        categories=("api-extensions",),
    ),
    _kind("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False, verbs=_REVIEW),
    _kind(
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        namespaced=False,
        verbs=_REVIEW,
    ),
    _kind(
        "authorization.k8s.io",
        "v1",
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        namespaced=False,
        verbs=_REVIEW,
    ),
    _kind("authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", verbs=_REVIEW),
    _kind("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False, verbs=_REVIEW),
    _kind("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False, verbs=_REVIEW),
)
