"""The server's side of TLS: a certificate that may change in its files, and a client authority that may change, too.

The certificate comes from files, as a Secret or cert-manager gives them. Making one here would need a library of
cryptography for what the chart does with one line, and the key of an authority in the memory of a process.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from canary.smi_metrics.front_proxy import BadTrust, Trust

_Signature = tuple[tuple[int, int, int], ...]


class BadCertificate(Exception):
    """The serving certificate cannot be used; the message names the files."""


class Certificate:
    """The serving certificate in a file, its chain behind it, and its key in another."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._loaded: _Signature = ()

    @property
    def changed(self) -> bool:
        """Whether the files are others than those that were loaded last. A file that is missing is no change."""
        try:
            return self._signature() != self._loaded
        except OSError:
            return False

    def load(self, context: ssl.SSLContext) -> None:
        """Serve it in `context`. Raises `BadCertificate`."""
        certificate, key = self._files
        try:
            signature = self._signature()
            context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError) as error:
            # ssl.SSLError is an OSError.
            raise BadCertificate(f"the serving certificate {certificate} with the key {key}: {error}") from error
        self._loaded = signature

    def _signature(self) -> _Signature:
        stats = [file.stat() for file in self._files]
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)


def context_for(certificate: Certificate, trust: Trust | None) -> ssl.SSLContext:
    """A context in which a client may show a certificate, which then must be one of the aggregator's authority.

    Without `trust` any client certificate is refused. Raises `BadCertificate`, `BadTrust`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    if trust is not None:
        try:
            context.load_verify_locations(cadata=trust.authorities)
        except (ssl.SSLError, ValueError) as error:
            raise BadTrust(f"the authority of the aggregator's certificate cannot be read: {error}") from error
    # Last: what was loaded counts as served.
    certificate.load(context)
    return context


class Switching(ssl.SSLContext):
    """Each new connection gets the context that is `current` when it is made."""

    current: ssl.SSLContext

    def __new__(cls) -> Switching:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Begin a connection, as asyncio does."""
        return self.current.wrap_bio(*args, **kwargs)


def _no_password() -> str:
    """Instead of a prompt on the terminal, which is what OpenSSL does with an encrypted key."""
    raise ValueError("the key is encrypted, and nobody is there to type its password")
