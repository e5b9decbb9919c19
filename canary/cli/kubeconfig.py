"""Which cluster and which namespace a command is about, as kubectl decides it.

Source: Kubernetes, "Organizing Cluster Access Using kubeconfig Files": the first file that sets a value wins.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canary.cli.exits import Failure

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect: a kubeconfig, or the cluster of the pod that we run in; and the namespace meant by default."""

    kubeconfig: str | None
    in_cluster: bool
    namespace: str


def place(kubeconfig: str | None, context: str | None, environ: Mapping[str, str]) -> Place:
    """Reads the files that `kubeconfig` names, else those of KUBECONFIG, else ~/.kube/config.

    Without any of them, inside a pod, it is the pod's own cluster; elsewhere `Failure` is raised. A file that cannot be
    read is left to whoever connects: its message is the better one.
    """
    named = [Path(name) for name in _names(kubeconfig, environ) if name]
    files = [file for file in named if file.exists()]
    if not files:
        if kubeconfig is None and environ.get("KUBERNETES_SERVICE_HOST"):
            return Place(None, True, _own_namespace())
        missing = os.pathsep.join(map(str, named))
        raise Failure(f"there is no kubeconfig at {missing}; name one with --kubeconfig or KUBECONFIG")
    joined = os.pathsep.join(map(str, files))
    return Place(joined, False, _namespace(list(_documents(files)), context))


def _names(kubeconfig: str | None, environ: Mapping[str, str]) -> list[str]:
    if kubeconfig is not None:
        return [os.path.expanduser(kubeconfig)]
    given = environ.get("KUBECONFIG", "")
    return given.split(os.pathsep) if given else [os.path.expanduser("~/.kube/config")]


def _documents(files: list[Path]) -> Iterator[dict[str, Any]]:
    import yaml

    for file in files:
        try:
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue
        if isinstance(document, dict):
            yield document


def _namespace(documents: list[dict[str, Any]], context: str | None) -> str:
    wanted = context or next((d["current-context"] for d in documents if d.get("current-context")), None)
    for document in documents:
        for entry in document.get("contexts") or ():
            if isinstance(entry, dict) and entry.get("name") == wanted:
                return str((entry.get("context") or {}).get("namespace") or "default")
    return "default"


def _own_namespace() -> str:
    try:
        return SERVICE_ACCOUNT_NAMESPACE.read_text(encoding="utf-8").strip() or "default"
    except OSError:
        return "default"
