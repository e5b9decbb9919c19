"""What the pages show is what the program takes and says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml

from canary.api.canary import Canary
from canary.api.names import API_VERSION
from canary.api.validation import load_spec, validate
from canary.kube.clock import SystemClock
from canary.metrics.prometheus.pack_file import customised, shipped
from canary.metrics.proxies.flavour import shipped as shipped_flavour
from canary.server.sources import Installed, PrometheusSettings, SourceSettings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "charts").rglob("*.md"))]
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Example(NamedTuple):
    """A Canary as a page shows it."""

    page: str
    line: int
    canary: dict[str, Any]


def examples() -> Iterator[Example]:
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in BLOCK.finditer(text):
            for document in yaml.safe_load_all(block[1]):
                if isinstance(document, dict) and document.get("kind") == "Canary":
                    yield Example(page.name, text[: block.start()].count("\n") + 1, document)


EXAMPLES = list(examples())


def spec_of(canary: dict[str, Any]) -> Any:
    return load_spec(msgspec.convert({"metadata": canary["metadata"], "spec": msgspec.Raw(_json(canary))}, Canary))


def _json(canary: dict[str, Any]) -> bytes:
    return msgspec.json.encode(canary["spec"])


def installed(*, latency: bool = True, sources: bool = True) -> Installed:
    """All sources: Linkerd's pack and a scrape each 15 s, Envoys as sidecars; or the SMI metrics API alone."""
    pack = shipped("linkerd") if latency else customised(shipped("linkerd"), {"latency": None})
    prometheus = PrometheusSettings(url="http://prometheus.monitoring.svc:9090", pack=pack)
    settings = SourceSettings(prometheus=prometheus, proxies=shipped_flavour("envoy"))
    nobody: Any = None  # nothing is asked
    return Installed(
        settings if sources else SourceSettings(), nobody, lambda *_: {}, clock=SystemClock(), user_agent="test"
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.page}:{example.line}")
def test_a_canary_of_the_pages_is_valid(example: Example) -> None:
    assert example.canary["apiVersion"] == API_VERSION
    assert example.canary.keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert validate(example.canary["spec"]) == ()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.page}:{example.line}")
async def test_a_canary_of_the_pages_can_be_carried_by_the_source_that_it_names(example: Example) -> None:
    found = installed()
    try:
        assert found.sources.errors(spec_of(example.canary)) == ()
    finally:
        await found.close()


def test_the_pages_that_promise_a_canary_show_one() -> None:
    sources = {(page, canary["spec"].get("analysis", {}).get("source", "SMI")) for page, _, canary in EXAMPLES}
    assert {("README.md", "SMI"), ("metrics.md", "Prometheus"), ("metrics.md", "Proxies")} <= sources


SLOW = {"name": "slow", "slowerThan": "500ms", "maxShare": "1"}
SEEN = {"name": "seen", "min": "99", "from": {"kind": "Deployment", "name": "checkout"}}
LATE = {"name": "latency", "quantile": "p99", "max": "500ms"}


@pytest.mark.parametrize(
    ("installation", "analysis"),
    [
        ({"sources": False}, {"source": "Prometheus"}),
        ({"sources": False}, {"source": "Proxies"}),
        ({}, {"source": "Prometheus", "interval": "59s"}),
        ({}, {"source": "SMI", "metrics": [SLOW]}),
        ({}, {"source": "Proxies", "metrics": [SEEN]}),
        ({}, {"source": "Proxies", "interval": "1s", "metrics": [LATE]}),
        ({"latency": False}, {"source": "Prometheus", "interval": "1m", "metrics": [LATE]}),
    ],
)
async def test_a_refusal_is_quoted_as_it_is_said(installation: dict[str, bool], analysis: dict[str, Any]) -> None:
    example = next(each for each in EXAMPLES if each.page == "README.md")
    spec = example.canary["spec"] | {"analysis": analysis}
    found = installed(**installation)
    try:
        (said,) = map(str, found.sources.errors(spec_of(example.canary | {"spec": spec})))
    finally:
        await found.close()
    assert said in refusals()


def test_every_refusal_of_the_page_is_tried() -> None:
    assert len(refusals()) == 7


def refusals() -> set[str]:
    """The messages in the table of docs/metrics.md."""
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    section = page.partition("## What is refused\n")[2].partition("\n## ")[0]
    return {match[2] for match in re.finditer(r"^\| (`{1,2})(spec\..*?)\1 \|", section, re.MULTILINE)}


REPORTS = (ROOT / "docs" / "upstream-reports.md").read_text("utf-8")


def test_each_test_that_a_report_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", REPORTS))
    sources = (path.read_text("utf-8") for folder in ("tests", "e2e") for path in (ROOT / folder).rglob("test_*.py"))
    there = {name for source in sources for name in re.findall(r"^(?:async )?def (test_\w+)", source, re.MULTILINE)}
    assert named
    assert named <= there, f"no such tests: {sorted(named - there)}"


def test_each_report_has_a_test() -> None:
    rows = re.findall(r"^\| \[.*\|$", REPORTS, re.MULTILINE)
    assert rows
    assert [row for row in rows if "`test_" not in row] == []


LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_links_exists(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
