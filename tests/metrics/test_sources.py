"""What an installation has no source for, and what its sources cannot carry, is said of the field."""

from __future__ import annotations

import msgspec
import pytest

from canary.api.canary import Analysis, Backends, CanarySpec, Metric, RootService, Sender
from canary.metrics.sources import HOW, Offer, Sources

LITTLE = Offer(object(), 60.0, "4 scrapes of 15s", peers=False, latency=False, histogram=False)
SOURCES = Sources({"SMI": Offer(object()), "Prometheus": LITTLE})
RATE = (Metric(name="success-rate", min="99"),)


def spec(**analysis):
    return CanarySpec(
        backends=Backends(stable="web-v1", canary="web-v2"),
        service=RootService(name="web"),
        analysis=Analysis(**analysis),
    )


def errors(**analysis):
    return [str(error) for error in SOURCES.errors(spec(**analysis))]


def test_a_source_that_is_there_carries_what_it_can():
    assert errors() == []
    assert errors(source="SMI", interval="1s") == []
    assert errors(source="Prometheus", interval="60s", metrics=RATE) == []


def test_a_source_that_is_not_there_is_named_with_how_to_get_it():
    [words] = errors(source="Proxies")
    assert words == f"spec.analysis.source: Proxies is not available here: {HOW['Proxies']}"


def test_a_window_that_the_source_cannot_carry_is_refused_with_the_reason():
    [words] = errors(source="Prometheus", interval="59s", metrics=RATE)
    assert words == "spec.analysis.interval: must be at least 1m with source Prometheus: 4 scrapes of 15s"


def seen_by(name):
    return Metric(name="seen", min="99", from_=Sender(kind="Deployment", name=name))


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (seen_by("checkout"), "who sent a request"),
        (Metric(name="latency", quantile="p99", max="1s"), "how long requests took"),
        (Metric(name="slow", slower_than="1s", max_share="1"), "no histogram"),
    ],
)
def test_a_metric_that_the_source_cannot_have_is_refused(metric, words):
    assert errors(metrics=(*RATE, metric)) == []
    [found] = errors(source="Prometheus", interval="60s", metrics=(*RATE, metric))
    assert found.startswith(f"spec.analysis.metrics[1]: {metric.name} cannot be read: source Prometheus ")
    assert words in found


def test_a_window_in_which_a_source_renews_no_histogram_is_too_short_for_latencies():
    slow = Metric(name="slow", slower_than="1s", max_share="1")
    sources = Sources({"SMI": Offer(object(), timed=5.0)})
    [error] = sources.errors(spec(interval="4s", metrics=(*RATE, slow)))
    assert str(error) == (
        "spec.analysis.metrics[1]: slow cannot be read: "
        "source SMI knows how long requests took only in windows of at least 5s"
    )
    assert sources.errors(spec(interval="5s", metrics=(*RATE, slow))) == ()
    assert sources.errors(spec(interval="1s", metrics=RATE)) == ()


def test_all_that_is_wrong_is_said_at_once():
    assert len(errors(source="Prometheus", interval="1s", metrics=(seen_by("a"), seen_by("b")))) == 3


def test_there_is_a_word_on_how_to_get_each_source_of_the_resource():
    field = next(field for field in msgspec.structs.fields(Analysis) if field.name == "source")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("Nobody", field.type)
    assert {name: msgspec.convert(name, field.type) for name in HOW} == {name: name for name in HOW}
