"""Which addresses may be asked: those that a pod can have, and none that would let a pod's status aim us elsewhere."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

METADATA = frozenset(map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")))
"""Metadata and host services of clouds outside the link-local range, which most of them use.

Sources: https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata,
https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html, and, for 192.0.0.192, the
metadata address of Oracle Cloud Classic.
"""
TRANSLATED = tuple(map(IPv6Network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")))
"""IPv6 addresses that a gateway may turn into an IPv4 address within them; no pod has one.

Source: https://www.iana.org/assignments/iana-ipv6-special-registry/.
"""


@lru_cache(maxsize=4096)
def refusal(address: str, *, allow_loopback: bool = False) -> str:
    """Why `address` is not asked, as a part of a sentence; empty when it may be."""
    try:
        found = ip_address(address)
    except ValueError:
        return f"{address!r} is no IP address"
    if isinstance(found, IPv6Address):
        if found.scope_id is not None:
            return f"{address} has a scope"
        # Other ways to write an IPv4 address must not be ways around its refusal.
        found = found.ipv4_mapped or found
    return _refusal(found, address, allow_loopback)


def _refusal(found: IPv4Address | IPv6Address, address: str, allow_loopback: bool) -> str:
    if found.is_loopback:
        return "" if allow_loopback else f"{address} is a loopback address"
    if found in METADATA:
        return f"{address} is a metadata address"
    for kind in ("link_local", "multicast"):
        if getattr(found, f"is_{kind}"):
            return f"{address} is a {kind.replace('_', '-')} address"
    if found.is_unspecified or str(found) == "255.255.255.255":
        return f"{address} is the address of no one host"
    if isinstance(found, IPv6Address) and any(found in network for network in TRANSLATED):
        return f"{address} stands for another address"
    return ""
