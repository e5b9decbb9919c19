"""How `canary smi-metrics` runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from canary.metrics.prometheus.pack import Pack

DEFAULT_PORT = 8443


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of `canary smi-metrics`; port 0 takes a free one. `timeout` is that of one question, in seconds."""

    pack: Pack
    certificate: Path
    key: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    timeout: float = 5.0
