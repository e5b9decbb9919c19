"""Where in a label's value the namespace and the name are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.metrics.prometheus import pattern
from canary.metrics.prometheus.pattern import BadPattern
from canary.metrics.prometheus.re2 import compiled

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)


def found(written: str, value: str, **narrowed: object) -> dict[str, str] | None:
    match = re.fullmatch(pattern.regex(written, **narrowed), value)  # type: ignore[arg-type]
    return match and {name: match[number] for name, number in pattern.groups(written).items()}


@pytest.mark.parametrize(
    ("written", "value", "namespace", "name"),
    [
        ("{namespace}/{name}", "shop/web", "shop", "web"),
        ("{namespace}/{name}/{any}/{any}", "shop/web/80/da39a3ee5e", "shop", "web"),
        (
            "outbound|{any}||{name}.{namespace}.svc.cluster.local",
            "outbound|80||web.shop.svc.cluster.local",
            "shop",
            "web",
        ),
        ("{name}.{namespace}", "web.v2.shop", "shop", "web.v2"),
        ("{namespace}_{name}_{any}", "my-shop_web-canary_http", "my-shop", "web-canary"),
    ],
)
def test_both_are_found_where_they_are_unmistakable(written: str, value: str, namespace: str, name: str) -> None:
    assert not pattern.is_ambiguous(written)
    assert found(written, value) == {"namespace": namespace, "name": name}


@pytest.mark.parametrize(
    "written",
    [
        "{namespace}-{name}",
        "{name}-{namespace}",
        "{namespace}-{any}-{name}",
        "{namespace}-svc-{name}",
        "{name}-{port}-{namespace}",
    ],
)
def test_dashes_do_not_part_names_that_have_dashes(written: str) -> None:
    assert pattern.is_ambiguous(written)


@pytest.mark.parametrize("value", ["shop-web-canary-80@kubernetes", "shop-web-80", "other-web-80@kubernetes"])
def test_a_known_name_is_not_found_in_a_longer_one(value: str) -> None:
    assert found("{namespace}-{name}-{any}@kubernetes", value, namespace="shop", names=("web",)) is None


def test_what_follows_any_is_not_part_of_the_name() -> None:
    parts = found("{namespace}-{name}-{any}@{any}", "shop-web-canary-80@kubernetes", namespace="shop")
    assert parts == {"namespace": "shop", "name": "web-canary"}


@pytest.mark.parametrize("value", ["shop-web-http-alt@x", "shop-web-6b204d94623b3df4370c@x", "shop-web-@x"])
def test_what_is_no_port_is_not_taken_for_one(value: str) -> None:
    assert found("{namespace}-{name}-{port}@{any}", value, namespace="shop", names=("web",)) is None


@pytest.mark.parametrize("port", ["80", "65535", "http", "fifteenletters1"])
def test_a_port_is_a_number_or_a_name(port: str) -> None:
    parts = found("{namespace}-{name}-{port}@{any}", f"shop-web-canary-{port}@kubernetescrd", namespace="shop")
    assert parts == {"namespace": "shop", "name": "web-canary"}


def test_any_at_the_start_ends_before_the_text_after_it() -> None:
    assert found("{any}/{name}", "a-b/web") == {"name": "web"}
    assert found("{any}/{name}", "a/b/web") is None


@pytest.mark.parametrize("value", ["xds", "Shop/web", "shop/", "/web", "shop/web/80", "-shop/web"])
def test_what_is_no_name_is_not_found(value: str) -> None:
    assert found("{namespace}/{name}", value) is None


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("web", "{name} must occur exactly once"),
        ("{name}/{name}", "{name} must occur exactly once"),
        ("{namespace}/{namespace}/{name}", "{namespace} may occur once"),
        ("{namespace}{name}", "text must stand between two placeholders"),
        ("{any}{name}", "text must stand between two placeholders"),
        ("{name}/{kind}", "{kind} is unknown"),
        ("{name}/{}", "{} is unknown"),
        ("{name}}", "a brace"),
        ("{{name}", "a brace"),
        ("{name}é", "only printable ASCII"),
        ("{name}\n", "only printable ASCII"),
    ],
)
def test_a_pattern_that_says_nothing_is_refused(written: str, problem: str) -> None:
    with pytest.raises(BadPattern) as caught:
        pattern.check(written)
    assert problem in str(caught.value)


SEPARATORS = st.text(alphabet="/_@|:~. ", min_size=1, max_size=3)


@given(LABEL, LABEL, SEPARATORS, st.booleans())
def test_what_a_pattern_writes_it_reads(namespace: str, name: str, separator: str, swapped: bool) -> None:
    written = separator.join(["{name}", "{namespace}"] if swapped else ["{namespace}", "{name}"])
    pattern.check(written)
    value = written.replace("{namespace}", namespace).replace("{name}", name)
    assert found(written, value) == {"namespace": namespace, "name": name}
    assert found(written, value, namespace=namespace, names=(name,)) == {"namespace": namespace, "name": name}


@given(st.text(min_size=1), st.text(min_size=1))
def test_narrowed_to_any_text_it_finds_that_and_no_pattern_of_it(namespace: str, name: str) -> None:
    expected = {"namespace": namespace, "name": name}
    assert found("{namespace}/{name}", f"{namespace}/{name}", namespace=namespace, names=(name,)) == expected
    assert found("{namespace}/{name}", f"{namespace}/{name}x", namespace=namespace, names=(name,)) is None


@pytest.mark.parametrize(
    "written", ["{namespace}/{name}", "{namespace}-{name}-{port}@{any}", "{any}|{name}", "x{name}"]
)
def test_what_is_sent_to_prometheus_is_portable(written: str) -> None:
    compiled(pattern.regex(written, names=("a.b", "c|d")))
