"""A Canary in a file, as people keep it in Git."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

from canary.api.canary import Canary, CanarySpec
from canary.api.meta import ObjectMeta
from canary.api.validation import InvalidSpec, load_spec
from canary.cli.exits import Failure


class SpecFile(NamedTuple):
    """The Canary of a file, with its defaults; `namespace` is empty where the file names none."""

    name: str
    spec: CanarySpec
    namespace: str = ""


def canary_in(path: str) -> SpecFile:
    """The one Canary in a YAML file, `-` for standard input. Raises `Failure` with what is wrong."""
    found = [each for each in documents_in(path) if isinstance(each, Mapping) and each.get("kind") == "Canary"]
    if len(found) != 1:
        raise Failure(f"{path}: must hold one object of kind Canary, and holds {len(found)}")
    metadata = found[0].get("metadata")
    name, namespace = (_text(metadata, field) for field in ("name", "namespace"))
    try:
        spec = msgspec.Raw(msgspec.json.encode(found[0].get("spec")))
        return SpecFile(name or "canary", load_spec(Canary(ObjectMeta(), spec)), namespace)
    except (InvalidSpec, TypeError) as error:
        raise Failure(f"{path}: {error}") from None


def _text(metadata: object, field: str) -> str:
    return str(metadata.get(field) or "") if isinstance(metadata, Mapping) else ""


def documents_in(path: str) -> list[Any]:
    """The documents of a YAML file, `-` for standard input. Raises `Failure`."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        return list(yaml.safe_load_all(text))
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise Failure(f"{path}: not YAML: {error}") from error
