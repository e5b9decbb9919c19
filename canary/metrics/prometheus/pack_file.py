"""Reads packs: those that come with this program, and what an administrator makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

import msgspec
import yaml

from canary.api.merge_patch import merge_patch
from canary.metrics.prometheus.pack import Pack
from canary.metrics.prometheus.pack_check import problems

PACKS = ("consul", "envoy", "generic", "istio", "linkerd", "nginx", "traefik")
"""The packs that come with this program."""


class BadPack(ValueError):
    """A pack cannot be used; the message names the file and the field."""


def shipped(name: str) -> Pack:
    """A pack that comes with this program. Raises `BadPack`."""
    if name not in PACKS:
        raise BadPack(f"there is no pack {name!r}; there are {', '.join(PACKS)}")
    text = resources.files(__package__).joinpath("packs", f"{name}.yaml").read_text(encoding="utf-8")
    return parse_pack(text, f"{name}.yaml")


def parse_pack(text: str, where: str) -> Pack:
    """The pack in a YAML document; `where` names it in messages. Raises `BadPack`."""
    try:
        return _converted(yaml.safe_load(text), where)
    except (yaml.YAMLError, RecursionError) as error:
        raise BadPack(f"{where}: {error}") from error


def customised(pack: Pack, overrides: Mapping[str, object]) -> Pack:
    """The pack with an administrator's changes: a JSON Merge Patch (RFC 7396), so that null takes a field away.

    The result obeys the same schema. Raises `BadPack`.
    """
    return _converted(
        merge_patch(msgspec.to_builtins(pack), dict(overrides)), f"the pack {pack.name} with its overrides"
    )


def _converted(document: object, where: str) -> Pack:
    try:
        pack = msgspec.convert(document, Pack)
    except msgspec.ValidationError as error:
        raise BadPack(f"{where}: {error}") from error
    found = list(problems(pack))
    if found:
        raise BadPack(f"{where}: {'; '.join(found)}")
    return pack
