"""A network namespace in which every 10.x address is one of this machine's, as the addresses of Pods are.

`EndpointSlice` refuses loopback addresses, and so does `source: Proxies`; the addresses of the machine itself are none
of ours. A namespace of our own has nothing but its loopback device, and ends with the last of its processes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

LOCAL = "10.0.0.0/8"
_PREPARE = f'ip link set lo up && ip route add local {LOCAL} dev lo && exec "$@"'
_ESTABLISHED, _CLOSE_WAIT = "01", "08"


class NoNamespace(Exception):
    """This machine gives none; the message says what is missing."""


def inside(command: Sequence[str | Path]) -> list[str | Path]:
    """The command that runs `command` in a namespace of its own, under the same process id. Raises `NoNamespace`."""
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            raise NoNamespace(f"{program} is not on the PATH: install util-linux and iproute2")
    # Who is not root may make one in a user namespace, in which he is.
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", "--net", *user, "sh", "-c", _PREPARE, "sh", *command]


def connections(port: int) -> list[str]:
    """The addresses at `port` to which somebody in this namespace has a connection, or has not closed it yet.

    Source of the format: the kernel's Documentation/networking/proc_net_tcp.rst.
    """
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        remote, state = line.split()[2:4]
        address, remote_port = remote.split(":")
        if int(remote_port, 16) == port and state in (_ESTABLISHED, _CLOSE_WAIT):
            found.append(".".join(str(byte) for byte in reversed(bytes.fromhex(address))))
    return found
