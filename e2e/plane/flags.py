"""Command lines of the three programs.

Sources: the Kubernetes reference of kube-apiserver and kube-controller-manager; "Configure the Aggregation Layer".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from e2e.plane.certificates import KeyPair

FRONT_PROXY = "front-proxy-client"
# Those that turn a Deployment into Pods and a Service into EndpointSlices, and that clean up. None needs a node; the
# one that collects pods of missing nodes must not run.
CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "endpoints-controller",
    "endpointslice-controller",
    # Without a metrics API it keeps replicas within an autoscaler's bounds, and no more.
    "horizontal-pod-autoscaler-controller",
    "disruption-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
)


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports of one plane."""

    api: int
    etcd: int
    etcd_peer: int


@dataclass(frozen=True, slots=True)
class Files:
    """Paths that the programs share."""

    authority: Path
    front_proxy_authority: Path
    front_proxy: KeyPair
    serving: KeyPair
    service_account_key: Path
    tokens: Path
    audit_policy: Path
    audit_log: Path


def etcd(data: Path, ports: Ports) -> list[str | Path]:
    return ["etcd", data, f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"]


def kube_apiserver(ports: Ports, files: Files) -> list[str | Path]:
    return [
        "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        # What is stored is the record that tests judge by: they read it from etcd.
        "--storage-media-type=application/json",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        # Endpoints of a loopback address are refused, so the server need not try to publish its own.
        "--endpoint-reconciler-type=none",
        f"--secure-port={ports.api}",
        f"--tls-cert-file={files.serving.certificate}",
        f"--tls-private-key-file={files.serving.key}",
        f"--token-auth-file={files.tokens}",
        "--authorization-mode=Node,RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={files.service_account_key}",
        f"--service-account-signing-key-file={files.service_account_key}",
        # Pods need no token: nothing runs in them.
        "--disable-admission-plugins=ServiceAccount",
        "--max-requests-inflight=3000",
        "--max-mutating-requests-inflight=1000",
        f"--audit-policy-file={files.audit_policy}",
        f"--audit-log-path={files.audit_log}",
        # Without a node proxy, an aggregated API is reached by the name of its Service: ExternalName localhost.
        f"--requestheader-client-ca-file={files.front_proxy_authority}",
        f"--requestheader-allowed-names={FRONT_PROXY}",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={files.front_proxy.certificate}",
        f"--proxy-client-key-file={files.front_proxy.key}",
    ]


def kube_controller_manager(kubeconfig: Path, files: Files, without: Collection[str] = ()) -> list[str | Path]:
    controllers = (name for name in CONTROLLERS if name not in without)
    return [
        "kube-controller-manager",
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--use-service-account-credentials=false",
        "--secure-port=0",
        f"--service-account-private-key-file={files.service_account_key}",
        f"--controllers={','.join(controllers)}",
        "--horizontal-pod-autoscaler-sync-period=1s",
        # By default 20 requests a second: tests would wait for that, and for nothing that they are about.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]
