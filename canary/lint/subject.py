"""A Canary as it stands in a file: what every check looks at, and how it says what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from canary.lint.finding import Finding, Level
from canary.lint.rules import RULES
from canary.lint.tree import Tree


class Subject(msgspec.Struct, frozen=True):
    """One object of one document. `path` leads to it from the document's root: empty, or `items[0]` in a List."""

    file: str
    tree: Tree
    value: Mapping[str, Any]
    path: str = ""

    @property
    def name(self) -> str:
        """`namespace/name`, as far as they are there."""
        metadata = self.value.get("metadata")
        if not isinstance(metadata, Mapping):
            return ""
        words = [metadata.get(key) for key in ("namespace", "name")]
        return "/".join(word for word in words if isinstance(word, str) and word)

    def finding(
        self,
        rule: str,
        field: str,
        message: str,
        *,
        level: Level | None = None,
        suggestion: str = "",
        at_name: bool = False,
    ) -> Finding:
        """A finding at a field, by default as bad as its rule; `at_name` points at the field's name."""
        path = f"{self.path}.{field}" if self.path and field else self.path or field
        return Finding(
            file=self.file,
            place=self.tree.locate(path, name=at_name),
            level=level or RULES[rule].level,
            rule=rule,
            field=field,
            message=message,
            suggestion=suggestion,
            canary=self.name,
        )
