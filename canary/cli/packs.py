"""Options that say where the numbers come from: packs and flavours by name or from a file, and Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from canary.api.duration import format_duration, parse_duration
from canary.cli.exits import Failure
from canary.metrics.prometheus.pack import Pack
from canary.metrics.prometheus.pack_file import PACKS, BadPack, customised, parse_pack
from canary.metrics.prometheus.pack_file import shipped as shipped_pack
from canary.metrics.proxies.flavour import FLAVOURS, BadFlavour, Flavour, parse_flavour
from canary.metrics.proxies.flavour import shipped as shipped_flavour
from canary.server.sources import PrometheusSettings


@dataclass(frozen=True, slots=True)
class PrometheusOptions:
    """The options about Prometheus as they were typed; an empty text stands for none."""

    url: str = ""
    pack: str = ""
    ca_file: str = ""
    token_file: str = ""
    scrape_interval: str = "15s"


def prometheus_for(options: PrometheusOptions) -> PrometheusSettings | None:
    """The settings, `None` without a URL. Raises `Failure` with the option that is wrong."""
    if not options.url:
        if options.pack:
            raise Failure("--pack says what Prometheus calls the metrics, and needs --prometheus-url")
        return None
    if not options.pack:
        raise Failure(f"--prometheus-url needs --pack, which is one of {', '.join(PACKS)}, or a file")
    scrape = seconds_of("--scrape-interval", options.scrape_interval, 0.1, 600)
    return PrometheusSettings(
        url=options.url,
        pack=pack_of(options.pack),
        ca_file=options.ca_file,
        token_file=options.token_file,
        scrape=scrape,
    )


def seconds_of(option: str, text: str, least: float, most: float) -> float:
    """The seconds of an option that is a duration between two bounds. Raises `Failure`, which names the option."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise Failure(f"{option}: {error}") from None
    if not least <= seconds <= most:
        raise Failure(f"{option}: must be from {format_duration(least)} to {format_duration(most)}, not {text}")
    return seconds


def pack_of(text: str) -> Pack:
    """A pack that comes with the program, by its name, or what a YAML file makes of one. Raises `Failure`.

    A file whose `name` is that of such a pack holds only what is different; any other is a whole pack.
    """
    try:
        return shipped_pack(text) if text in PACKS else _pack_in(text)
    except BadPack as error:
        raise Failure(f"--pack: {error}") from None


def flavour_of(text: str) -> Flavour | None:
    """A kind of proxy that comes with the program, or a YAML file with one; `None` for none. Raises `Failure`."""
    if not text:
        return None
    try:
        if text in FLAVOURS:
            return shipped_flavour(text)
        return parse_flavour(_document(text, f"kind of proxy; there are {', '.join(FLAVOURS)}"), text)
    except (BadFlavour, ValueError) as error:
        raise Failure(f"--proxies: {error}") from None


def _pack_in(path: str) -> Pack:
    try:
        document = _document(path, f"pack; there are {', '.join(PACKS)}")
        content = yaml.safe_load(document)
    except (ValueError, yaml.YAMLError) as error:
        raise BadPack(str(error)) from error
    if isinstance(content, Mapping) and content.get("name") in PACKS:
        return customised(shipped_pack(content["name"]), content)
    return parse_pack(document, path)


def _document(path: str, what: str) -> str:
    """Raises `ValueError`."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(f"{path!r} is neither a file nor a {what}") from None
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
