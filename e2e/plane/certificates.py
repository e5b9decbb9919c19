"""Certificates for the plane, made by the openssl program."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


class CertificateError(Exception):
    """openssl is missing or failed."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Paths of PEM files."""

    certificate: Path
    key: Path


def private_key(path: Path) -> Path:
    """A new P-256 key in PEM at `path`, in the form (SEC 1) that kube-apiserver reads for ServiceAccounts, too."""
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
    path.chmod(0o600)
    return path


class Authority:
    """A certificate authority in a directory. Its certificates last two days."""

    def __init__(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.certificate = directory / "ca.crt"
        self._key = private_key(directory / "ca.key")
        _openssl(
            *("req", "-x509", "-new", "-key", self._key, "-subj", f"/CN={name}", "-days", "2"),
            *("-addext", "keyUsage=critical,keyCertSign,digitalSignature", "-out", self.certificate),
        )

    def issue(self, name: str, *subject_alternative_names: str) -> KeyPair:
        """A key pair with common name `name`, for servers and clients; alternative names as `DNS:x` or `IP:x`."""
        pair = KeyPair(self._directory / f"{name}.crt", private_key(self._directory / f"{name}.key"))
        names = ",".join(subject_alternative_names)
        _openssl(
            *("req", "-x509", "-new", "-key", pair.key, "-subj", f"/CN={name}", "-days", "2"),
            *("-CA", self.certificate, "-CAkey", self._key, "-addext", "basicConstraints=critical,CA:FALSE"),
            *("-addext", "extendedKeyUsage=serverAuth,clientAuth"),
            *(("-addext", f"subjectAltName={names}") if names else ()),
            *("-out", pair.certificate),
        )
        return pair


def _openssl(*arguments: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        raise CertificateError("the control plane's certificates are made by openssl, which is not on the PATH")
    done = subprocess.run(
        [program, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30
    )
    if done.returncode != 0:
        raise CertificateError(f"openssl {' '.join(map(str, arguments))} failed:\n{done.stderr}")
