"""What docs/metrics.md says of packs is what they do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from canary.metrics.prometheus.pack_file import PACKS, customised, shipped
from canary.metrics.prometheus.queries import queries
from canary.metrics.prometheus.question import Question, Workload
from canary.metrics.prometheus.samples import samples
from canary.metrics.source import Asked, SourceError

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
# The others are Canaries and values of the chart.
EXAMPLES = [block for block in BLOCKS if yaml.safe_load(block).keys() <= {"requests", "latency", "received", "edges"}]
PACK_TABLE = PAGE.partition("## Which pack reads what\n")[2].partition("\n## ")[0]
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| `(\w+)` \| .* \|$", PACK_TABLE, re.MULTILINE)}


@pytest.mark.parametrize(("index", "pack"), list(enumerate(["nginx", "generic", "envoy"])))
def test_an_example_of_overrides_is_valid(index: int, pack: str) -> None:
    assert customised(shipped(pack), yaml.safe_load(EXAMPLES[index])) != shipped(pack)


def test_every_example_is_tried() -> None:
    assert len(EXAMPLES) == 3


def test_the_clusters_of_contour_are_found_with_the_example() -> None:
    pack = customised(shipped("envoy"), yaml.safe_load(EXAMPLES[2]))
    asked = queries(pack, Question("service", 60))
    regex = re.search(r'envoy_cluster_name=~"([^"]*)"', asked.counts)
    assert regex is not None
    found = re.fullmatch(regex[1].replace("\\\\", "\\"), "my-shop_web-canary_80")
    assert found is not None
    labels = {"__destination_namespace": found[1], "__destination_name": found[2]}
    assert asked.pair(labels) == (Workload("service", "my-shop", "web-canary"), None)


@pytest.mark.parametrize("name", PACKS)
def test_the_table_names_every_kind_of_a_pack(name: str) -> None:
    row = ROWS[name].casefold()
    assert [kind for kind in shipped(name).kinds if f"{kind}s" not in row] == []


def test_what_is_said_of_a_kind_that_a_pack_does_not_know_is_quoted() -> None:
    with pytest.raises(SourceError) as said:
        samples(shipped("envoy"), Asked("shop", "Deployment", 60, frozenset(["web"])), 15.0)
    assert f"| `{said.value}` |" in PAGE


@pytest.mark.parametrize("name", PACKS)
def test_the_packs_that_know_no_deployments_are_named(name: str) -> None:
    (words,) = re.findall(r"The packs ([^;]*?) know no Deployments, but Services;", PAGE)
    assert (f"`{name}`" in words) == ("deployment" not in samplable(name))


def samplable(name: str) -> set[str]:
    """Kinds whose received requests a Canary can be judged by."""
    pack = shipped(name)
    return {kind for view in (pack.received, pack.edges) if view is not None for kind in view.destination.names}
