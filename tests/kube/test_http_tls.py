"""The HTTP transport over TLS."""

from __future__ import annotations

import gc
import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from canary.kube.errors import Ambiguous
from canary.kube.http import HttpTransport


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1 that signs itself."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return key, certificate


@pytest.fixture
def mute_server(certificate: tuple[Path, Path]) -> Iterator[int]:
    """The port of a server that takes a request and says nothing more, not even goodbye."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate[1], certificate[0])
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            accepted, _ = listener.accept()
            with context.wrap_socket(accepted, server_side=True) as connection:
                connection.recv(4096)
                ended.wait(30)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        ended.set()
        thread.join(30)


async def test_a_connection_to_a_server_that_says_no_goodbye_is_closed_with_the_transport(
    mute_server: int, certificate: tuple[Path, Path]
) -> None:
    transport = HttpTransport(f"https://127.0.0.1:{mute_server}", ca_file=str(certificate[1]))
    with pytest.raises(Ambiguous, match="no answer within"):
        await transport.request("GET", "/", timeout=0.5)
    await transport.close()
    with warnings.catch_warnings(record=True) as seen:
        gc.collect()
    assert seen == []
