"""A Canary in a file, as people keep it in Git."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml

from canary.api.canary import Canary, CanarySpec
from canary.api.meta import ObjectMeta
from canary.api.names import API_VERSION, KIND
from canary.api.validation import InvalidSpec, load_spec
from canary.cli.exits import Failure


@dataclass(frozen=True, slots=True)
class SpecFile:
    """The Canary of a file, with its defaults; `namespace` is empty where the file names none."""

    name: str
    namespace: str
    spec: CanarySpec


def spec_in(path: str) -> SpecFile:
    """The one Canary among the YAML or JSON documents of a file; `-` is standard input. Raises `Failure`."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        documents = list(yaml.safe_load_all(text))
    except OSError as error:
        raise Failure(f"-f {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Failure(f"-f {path}: this is no YAML: {error}") from None
    found = [each for each in documents if isinstance(each, dict) and each.get("kind") == KIND]
    if len(found) != 1:
        raise Failure(f"-f {path}: one Canary is needed, and it has {len(found)}")
    if found[0].get("apiVersion") != API_VERSION:
        raise Failure(f"-f {path}: the Canary's apiVersion must be {API_VERSION}, not {found[0].get('apiVersion')}")
    metadata = found[0].get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    meta = ObjectMeta(name=str(known.get("name") or ""), namespace=str(known.get("namespace") or ""))
    try:
        spec = load_spec(Canary(meta, msgspec.Raw(msgspec.json.encode(found[0].get("spec") or {}))))
    except (InvalidSpec, msgspec.MsgspecError, TypeError, ValueError) as error:
        raise Failure(f"-f {path}: {error}") from None
    return SpecFile(meta.name, meta.namespace, spec)
