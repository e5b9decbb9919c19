"""Whom the API server tells to trust."""

from __future__ import annotations

import pytest

from canary.kube.errors import NotFound
from canary.smi_metrics.front_proxy import BadTrust, Trust, parse_trust, read_trust
from tests.smi_metrics.cluster import Kubernetes


def certificate(*names: str):
    return {"subject": ((("organizationName", "x"),), *((("commonName", name),) for name in names))}


async def test_it_is_read_from_the_config_map_of_the_api_server():
    kubernetes = Kubernetes()
    kubernetes.publish("PEM", "front-proxy-client", "other")
    trust = await read_trust(kubernetes.client())
    assert trust == Trust("PEM", frozenset({"front-proxy-client", "other"}), ("x-remote-user",), ("x-remote-group",))


async def test_an_api_server_without_the_config_map_is_an_error():
    with pytest.raises(NotFound):
        await read_trust(Kubernetes().client())


@pytest.mark.parametrize("data", [{}, {"requestheader-client-ca-file": " \n"}, {"client-ca-file": "of users"}])
def test_without_an_authority_nobody_is_trusted(data):
    with pytest.raises(BadTrust, match="--requestheader-client-ca-file"):
        parse_trust(data)


@pytest.mark.parametrize("text", ["front-proxy-client", '"front-proxy-client"', "[1]", "{}"])
def test_names_that_cannot_be_read_do_not_mean_that_any_will_do(text):
    with pytest.raises(BadTrust, match="allowed-names"):
        parse_trust({"requestheader-client-ca-file": "PEM", "requestheader-allowed-names": text})


@pytest.mark.parametrize("shown", [None, {}])
def test_who_shows_no_certificate_is_a_stranger(shown):
    assert not Trust("PEM").admits(shown)


def test_the_name_on_the_certificate_counts():
    trust = Trust("PEM", frozenset({"front-proxy-client"}))
    assert trust.admits(certificate("front-proxy-client"))
    assert not trust.admits(certificate("kubelet"))
    assert not trust.admits(certificate())
    assert not trust.admits(certificate("front-proxy-client", "kubelet"))


def test_without_names_every_certificate_of_the_authority_will_do():
    assert Trust("PEM").admits(certificate("anybody"))


def test_the_user_is_named_by_the_first_header_that_is_there():
    trust = Trust("PEM", user_headers=("x-remote-user", "x-user"))
    assert trust.user({"x-user": "ann"}) == "ann"
    assert trust.user({"x-user": "ann", "x-remote-user": "bob"}) == "bob"
    assert trust.user({}) == ""
