"""Builders: log lines in a pipe, a process in virtual time, samples of a scrape."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from canary.sandbox.simulation import Simulation
from canary.server.catalogue import FAMILIES
from canary.server.daemon import Process
from canary.server.logs import LineWriter, configure
from canary.server.metrics import Metrics
from canary.server.settings import Settings


class Log:
    """Everything that is logged while the fixture `log` is in use."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self.writer = LineWriter(self._write)

    def text(self) -> str:
        """All lines; nothing is logged any more."""
        self.writer.close()
        os.close(self._write)
        with open(self._read, encoding="utf-8") as stream:
            return stream.read()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    configure(log.writer, level="debug", form="json")
    yield log
    log.writer.close()
    structlog.reset_defaults()


@pytest.fixture
def quiet() -> Iterator[None]:
    """Nobody wants to read what is logged."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.fixture
def process(quiet: None) -> Callable[..., Process]:
    """A process on the cluster of a simulation; `overrides` are settings."""

    def make(sim: Simulation, identity: str = "one", **overrides: Any) -> Process:
        settings = Settings(identity=identity, lease_namespace=sim.app.namespace, **overrides)
        way = sim.cluster.client_for(identity).transport
        writer = LineWriter(os.open(os.devnull, os.O_WRONLY))
        return Process(settings, way, clock=sim.clock, rng=random.Random(1), writer=writer)

    return make


@pytest.fixture
def samples() -> Callable[[Metrics], dict[tuple[str, ...], float]]:
    """What a scrape says: values by name and label values, in the order of the catalogue."""
    orders = {family.name.removesuffix("_total"): family.labels for family in FAMILIES}

    def scrape(metrics: Metrics) -> dict[tuple[str, ...], float]:
        metrics.sample()
        text = metrics.render()[0].decode()
        found = {}
        for family in text_string_to_metric_families(text):
            order = orders.get(family.name.removesuffix("_total"), ())
            for sample in family.samples:
                found[(sample.name, *(sample.labels[label] for label in order))] = sample.value
        return found

    return scrape
