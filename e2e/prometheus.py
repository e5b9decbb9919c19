"""A real Prometheus as a process, with a configuration of its own and an empty database."""

from __future__ import annotations

import importlib.util
import json
import socket
import ssl
import sys
import tempfile
import urllib.request
from pathlib import Path
from types import TracebackType

from e2e.plane.certificates import KeyPair
from e2e.plane.process import Process

REPOSITORY = Path(__file__).parents[1]
TOOLS = REPOSITORY / ".ci" / "tools.py"
READY_WITHIN = 60.0
# Whether the certificate is trusted is the business of the client under test.
_UNCHECKED = ssl._create_unverified_context()


class PrometheusServer:
    """Runs while the `with` block does; `config` is the text of a prometheus.yml. Listens on 127.0.0.1 only.

    With a `certificate` it speaks HTTPS, as `localhost`; a `prefix` such as `/prometheus` stands in front of all paths.
    It may be stopped and started within the block: it keeps its port, and what it has scraped.
    """

    def __init__(
        self, config: str, *, certificate: KeyPair | None = None, prefix: str = "", binary: Path | None = None
    ) -> None:
        self._config = config
        self._certificate = certificate
        self._prefix = prefix
        self._binary = binary
        self._directory = tempfile.TemporaryDirectory(prefix="prometheus-")
        self._process: Process | None = None
        self.port = 0

    @property
    def url(self) -> str:
        host = "http://127.0.0.1" if self._certificate is None else "https://localhost"
        return f"{host}:{self.port}{self._prefix}"

    @property
    def log(self) -> str:
        return (Path(self._directory.name) / "log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Returns when queries are answered. Raises `ProcessFailed` with the end of the log when that is never."""
        if self._process is None:
            self.port = _free_port()
            self._process = self._configured(Path(self._directory.name))
        self._process.start()
        self._process.wait_until(self._is_ready, READY_WITHIN)

    def _configured(self, directory: Path) -> Process:
        """Writes what it needs to run."""
        (directory / "prometheus.yml").write_text(self._config, encoding="utf-8")
        command = [sys.executable, "-m", "e2e.plane.tether", str(self._binary or binary())]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", f"--web.route-prefix={self._prefix}/"]
        command += [f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'data'}"]
        if self._certificate is not None:
            files = {"cert_file": str(self._certificate.certificate), "key_file": str(self._certificate.key)}
            (directory / "web.yml").write_text(json.dumps({"tls_server_config": files}), encoding="utf-8")
            command.append(f"--web.config.file={directory / 'web.yml'}")
        return Process("prometheus", command, directory / "log", cwd=REPOSITORY)

    def stop(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.stop()

    def close(self) -> None:
        """Ends the process for good, and takes away what it has stored."""
        self.stop()
        self._directory.cleanup()

    def __enter__(self) -> PrometheusServer:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5, context=_UNCHECKED) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def binary() -> Path:
    """The Prometheus of `.ci/tools.py`."""
    spec = importlib.util.spec_from_file_location("tools", TOOLS)
    assert spec is not None
    assert spec.loader is not None
    tools = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules["tools"] = tools
    spec.loader.exec_module(tools)
    found: Path = tools.prometheus()
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
