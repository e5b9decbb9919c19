"""The reference page says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from canary.server.catalogue import FAMILIES, Family
from canary.server.reference import pages

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", pages())
def test_a_generated_file_is_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == pages()[path], "run `make crds`"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_name_follows_the_conventions_of_prometheus(family: Family) -> None:
    assert re.fullmatch(r"canary_[a-z_]+[a-z]", family.name)
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert (family.kind == "histogram") == bool(family.buckets)
    assert family.kind != "histogram" or family.name.endswith("_seconds")
    assert family.help.endswith(".")
