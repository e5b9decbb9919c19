"""Values as JSON and YAML documents for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def document(value: Mapping[str, Any], form: str) -> str:
    """`value` as `json` or `yaml`, ending in a line end."""
    if form == "json":
        return json.dumps(value, indent=4, ensure_ascii=False) + "\n"
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=False))
