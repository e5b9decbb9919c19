"""No pod may aim the controller at the node, at the cloud or at the controller itself."""

from __future__ import annotations

import pytest

from canary.metrics.proxies.addresses import refusal


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.7.1", "100.64.3.4", "172.16.0.9", "fd00::12", "2001:db8::1", "34.1.2.3"]
)
def test_an_address_that_a_pod_can_have_is_asked(address: str) -> None:
    assert refusal(address) == ""


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.8.8", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("169.254.170.2", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "scope"),
        ("fd00::1%25x", "scope"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("64:ff9b::a9fe:a9fe", "another address"),
        ("2002:a9fe:a9fe::1", "another address"),
        ("::7f00:1", "another address"),
        ("0.0.0.0", "no one host"),
        ("::", "no one host"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "no one host"),
        ("localhost", "no IP address"),
        ("10.1.2.3:80", "no IP address"),
        ("10.1.2.3/metrics", "no IP address"),
        ("2130706433", "no IP address"),
        ("0177.0.0.1", "no IP address"),
        ("[::1]", "no IP address"),
        ("", "no IP address"),
    ],
)
def test_any_other_address_is_refused(address: str, why: str) -> None:
    assert why in refusal(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1"])
def test_loopback_is_asked_only_where_that_is_said(address: str) -> None:
    assert refusal(address, allow_loopback=True) == ""


def test_allowing_loopback_allows_nothing_else() -> None:
    assert refusal("169.254.169.254", allow_loopback=True)
