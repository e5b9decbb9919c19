"""What the options about metrics sources are made into, and what is said of those that make no sense."""

from __future__ import annotations

import pytest

from canary.cli.exits import Failure
from canary.cli.packs import PrometheusOptions, flavour_of, pack_of, prometheus_for
from canary.metrics.prometheus.pack_file import PACKS, shipped
from canary.metrics.proxies.flavour import FLAVOURS
from canary.metrics.proxies.flavour import shipped as shipped_flavour


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_is_meant_by_its_name(name):
    assert pack_of(name) == shipped(name)


def test_a_file_with_the_name_of_a_pack_changes_it(tmp_path):
    file = tmp_path / "pack.yaml"
    file.write_text("{name: linkerd, title: Ours, latency: null}")
    pack = pack_of(str(file))
    assert (pack.title, pack.latency, pack.requests) == ("Ours", None, shipped("linkerd").requests)


def test_a_file_with_another_name_is_a_pack_of_its_own(tmp_path):
    file = tmp_path / "pack.yaml"
    file.write_text("{name: ours}")
    with pytest.raises(Failure, match=r"pack\.yaml.*title"):
        pack_of(str(file))


@pytest.mark.parametrize("text", ["{", "- a", "", "name: [linkerd]", "name: linkerd\nrequest: {}"])
def test_a_file_that_is_no_pack_is_refused(tmp_path, text):
    file = tmp_path / "pack.yaml"
    file.write_text(text)
    with pytest.raises(Failure):
        pack_of(str(file))


def test_without_such_a_pack_or_file_the_packs_are_named():
    with pytest.raises(Failure, match=r"^--pack: 'istoi' is neither a file nor a pack.*linkerd"):
        pack_of("istoi")


def prometheus(**overrides):
    return prometheus_for(PrometheusOptions(**{"url": "http://p:9090", "pack": "linkerd"} | overrides))


def test_without_an_address_there_is_no_prometheus():
    assert prometheus(url="", pack="") is None


def test_prometheus_is_scraped_each_15_seconds_unless_the_option_says_otherwise():
    assert prometheus().scrape == 15.0
    assert prometheus(scrape_interval="5s").scrape == 5.0
    assert prometheus().pack == shipped("linkerd")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"url": ""}, "--pack .* needs --prometheus-url"),
        ({"pack": ""}, "--prometheus-url needs --pack, .*linkerd"),
        ({"scrape_interval": "15"}, "--scrape-interval: "),
        ({"scrape_interval": "1ms"}, "--scrape-interval: must be from 100ms to 10m"),
        ({"pack": "nomesh"}, "--pack: 'nomesh'"),
    ],
)
def test_an_option_that_is_wrong_is_named(overrides, words):
    with pytest.raises(Failure, match=words):
        prometheus(**overrides)


@pytest.mark.parametrize("name", FLAVOURS)
def test_a_kind_of_proxy_is_meant_by_its_name(name):
    assert flavour_of(name) == shipped_flavour(name)


def test_a_kind_of_proxy_may_be_a_file_or_none(tmp_path):
    assert flavour_of("") is None
    file = tmp_path / "proxy.yaml"
    file.write_text(
        "{name: ours, title: Ours, cites: [], port: 9901, path: /stats, requests: "
        "{metric: requests_total, failure: {label: code, regex: '5..'}}}"
    )
    flavour = flavour_of(str(file))
    assert flavour is not None
    assert (flavour.port, flavour.target) == (9901, "/stats")


@pytest.mark.parametrize("text", ["{", "{name: ours}"])
def test_a_file_that_is_no_kind_of_proxy_is_refused(tmp_path, text):
    file = tmp_path / "proxy.yaml"
    file.write_text(text)
    with pytest.raises(Failure, match=r"^--proxies: .*proxy\.yaml"):
        flavour_of(str(file))


def test_without_such_a_kind_of_proxy_or_file_the_kinds_are_named():
    with pytest.raises(Failure, match=r"^--proxies: 'nginx' is neither a file nor a kind of proxy; .*linkerd"):
        flavour_of("nginx")
