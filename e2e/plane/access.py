"""Users of the plane, their kubeconfigs, and the rights they are given."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ADMIN = "admin"
CONTROLLER_MANAGER = "system:kube-controller-manager"
KUBELET = "test-kubelet"
MASTERS = "system:masters"

Rules = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class User:
    """Someone the API server knows: by the token file, or by a ServiceAccount's token."""

    name: str
    token: str
    groups: tuple[str, ...] = ()


def new_user(name: str, *groups: str) -> User:
    return User(name, secrets.token_hex(16), groups)


def token_file(users: Iterable[User]) -> str:
    """The text of `--token-auth-file`."""
    return "".join(f'{user.token},{user.name},{user.name},"{",".join(user.groups)}"\n' for user in users)


def kubeconfig(server: str, certificate_authority: Path, token: str, *, namespace: str = "default") -> dict[str, Any]:
    """A kubeconfig with one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "plane", "cluster": {"server": server, "certificate-authority": str(certificate_authority)}}
        ],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": "plane", "context": {"cluster": "plane", "user": "user", "namespace": namespace}}],
        "current-context": "plane",
    }


def load_rules(path: Path, kind: str | None = None) -> Rules:
    """The RBAC rules of every Role and ClusterRole in a YAML file, or of those of one `kind`.

    Raises `ValueError` when there is none: a test that gives no rights proves nothing about a Role.
    """
    kinds = (kind,) if kind else ("Role", "ClusterRole")
    documents = [document for document in yaml.safe_load_all(path.read_text()) if document]
    rules = [rule for document in documents if document.get("kind") in kinds for rule in document.get("rules") or ()]
    if not rules:
        raise ValueError(f"{path} holds no rules of {' or '.join(kinds)}")
    return rules


def grant(account: str, namespace: str, rules: Rules, *, cluster_wide: bool) -> list[dict[str, Any]]:
    """A role with `rules` and its binding to a ServiceAccount of `namespace`."""
    prefix = "Cluster" if cluster_wide else ""
    name = f"{namespace}-{account}" if cluster_wide else account
    metadata = {"name": name} if cluster_wide else {"name": name, "namespace": namespace}
    api_version = "rbac.authorization.k8s.io/v1"
    return [
        {"apiVersion": api_version, "kind": f"{prefix}Role", "metadata": metadata, "rules": list(rules)},
        {
            "apiVersion": api_version,
            "kind": f"{prefix}RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": f"{prefix}Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        },
    ]
