"""Addresses of Pods that run as processes: fictional, because EndpointSlices refuse loopback addresses.

The address says by itself on which port of 127.0.0.1 the process listens, so nobody has to be told: Pod 10.N.A.B is at
port 256·A + B. N counts from 1, so that a port that is used again gives another address; 10.0.x.y is left to the Pods
that nobody runs.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Collection

HOST = "127.0.0.1"
PORTS = range(20000, 24000)
"""With those of sidecars below what Linux gives to outgoing connections: a Pod that restarts finds its port free."""
_BLOCK = len(PORTS)
GENERATIONS = range(1, 255)


class NoFreePort(Exception):
    """Every port for Pods is taken; the message says which were tried."""


def address_of(port: int, generation: int) -> str:
    """The address of the Pod that listens on `port`; `generation` is 1 to 254."""
    if generation not in GENERATIONS:
        raise ValueError(f"generation {generation} is not 1 to 254")
    return f"10.{generation}.{port >> 8}.{port & 255}"


def port_of(address: str) -> int | None:
    """The port behind the address; `None` when it is not that of a process. Raises `ValueError` for no IPv4."""
    first, generation, high, low = ipaddress.IPv4Address(address).packed
    return high << 8 | low if first == 10 and generation in GENERATIONS else None


def admin_port(port: int) -> int:
    """Where the sidecar of the Pod at `port` shows its statistics, if it has one."""
    return port + _BLOCK


def inner_port(port: int) -> int:
    """Where the process of the Pod at `port` listens behind its sidecar, if it has one."""
    return port + 2 * _BLOCK


def ports_of(worker: int, workers: int) -> range:
    """The part of `PORTS` that one of several test processes gives out, each of which finds the same ports free.

    `worker` counts from 0, as pytest-xdist does.
    """
    share = len(PORTS) // workers
    return PORTS[worker * share : (worker + 1) * share]


OURS = ports_of(
    int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")),
    int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
)
"""The ports that this process, or the test that has started it, gives to Pods."""


def free_port(taken: Collection[int], after: int = OURS.start - 1) -> int:
    """The next of `OURS` after `after` that is not `taken` and free, as those of its sidecar. Raises `NoFreePort`."""
    for step in range(len(OURS)):
        port = OURS[(after - OURS.start + 1 + step) % len(OURS)]
        if port not in taken and all(map(_is_free, (port, admin_port(port), inner_port(port)))):
            return port
    raise NoFreePort(f"no port of {OURS.start} to {OURS.stop - 1} is free on {HOST}")


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        # As servers do: a connection of the last owner that is still closing is no obstacle.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
        return True
