"""Builds the control plane binary once per version of its Go module.

The sources are pinned by `e2e/controlplane/go.sum`; Go fetches them as the machine's Go settings say. A cold build
takes about six minutes on two cores, one with a warm Go build cache seconds, one that is already there none.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

MODULE = Path(__file__).parent.parent / "controlplane"
CACHE_VARIABLE = "CANARY_E2E_CACHE"
DEFAULT_CACHE = MODULE.parent.parent / ".cache" / "controlplane"
BUILD_TIMEOUT = 3600.0
_VERSION_PACKAGE = "k8s.io/component-base/version"


class BuildError(Exception):
    """The binary could not be built; the message says what to do."""


def build_controlplane(module: Path = MODULE, cache: Path | None = None) -> Path:
    """The path of the binary, built when it is not cached yet.

    `cache` defaults to the directory that `CANARY_E2E_CACHE` names, else `.cache/controlplane` of the repository.
    Several processes may call this at once: one builds, the others wait. Raises `BuildError`.
    """
    go = shutil.which("go")
    if go is None:
        raise BuildError("the real control plane is built by Go, which is not on the PATH: see https://go.dev/dl")
    cache = cache or Path(os.environ.get(CACHE_VARIABLE) or DEFAULT_CACHE)
    directory = cache / _fingerprint(go, module)
    binary = directory / "controlplane"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _build(go, module, binary)
    return binary


def kubernetes_version(module: Path = MODULE) -> str:
    """The pinned version of Kubernetes, such as `v1.36.3`."""
    match = re.search(r"^\s*k8s\.io/kubernetes (v\S+)$", (module / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise BuildError(f"{module / 'go.mod'} does not require k8s.io/kubernetes")
    return match.group(1)


def _fingerprint(go: str, module: Path) -> str:
    digest = hashlib.sha256(subprocess.run([go, "env", "GOVERSION"], capture_output=True, check=True).stdout)
    for path in (*sorted(module.glob("*.go")), module / "go.mod", module / "go.sum", Path(__file__)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _build(go: str, module: Path, binary: Path) -> None:
    version = kubernetes_version(module)
    major, minor = version.removeprefix("v").split(".")[:2]
    # Without these the server calls itself v0.0.0-master, which kubectl and helm cannot parse.
    variables = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    flags = " ".join(f"-X {_VERSION_PACKAGE}.{name}={value}" for name, value in variables.items())
    unfinished = binary.with_suffix(".part")
    command = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {flags}"]
    try:
        done = subprocess.run(
            [*command, "-o", str(unfinished), "."],
            cwd=module,
            env={**os.environ, "CGO_ENABLED": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"building the control plane took longer than {BUILD_TIMEOUT:.0f} s") from error
    if done.returncode != 0:
        raise BuildError(f"building the control plane failed (go build in {module}):\n{done.stdout[-4000:]}")
    unfinished.rename(binary)
