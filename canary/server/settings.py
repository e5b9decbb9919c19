"""How `canary run` runs, and the two things that only the edge of the program can know: who and where it is."""

from __future__ import annotations

import socket
import uuid
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from canary.kube.lease import LeaseTiming
from canary.server.sources import SourceSettings

LogFormat: TypeAlias = Literal["json", "console"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
DEFAULT_PORT = 8080


def new_identity() -> str:
    """A name for this process that no earlier or other one has: a restarted pod keeps its host name."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of `host:port`, `:port` (every address) or `[v6]:port`. Raises `ValueError`."""
    host, colon, number = text.rpartition(":")
    if not colon or not number.isascii() or not number.isdigit() or int(number) > 65535:
        raise ValueError(f"{text!r} must be HOST:PORT, such as 0.0.0.0:8080")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, as in [::1]:8080")
    return host or "0.0.0.0", int(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of `canary run`. No namespaces means all; port 0 takes a free one.

    With `in_cluster` the pod's own service account is used, else `kubeconfig` (`None`: as kubectl finds it).
    """

    kubeconfig: str | None = None
    context: str | None = None
    in_cluster: bool = False
    namespaces: tuple[str, ...] = ()
    leader_elect: bool = True
    lease_namespace: str = "default"
    lease_name: str = "canary-controller"
    lease_timing: LeaseTiming = field(default_factory=LeaseTiming)
    identity: str = field(default_factory=new_identity)
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    workers: int = 16
    track_secrets: bool = False
    log_level: LogLevel = "info"
    log_format: LogFormat = "json"
    sources: SourceSettings = field(default_factory=SourceSettings)
