"""Pod templates: one by hand, and Hypothesis strategies that write them in every form that matters to a revision."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from(["app", "db", "tls", "flags", "feature.gates"])
"""Few, so that the same object is referred to in several places."""
_OPTIONAL = st.sampled_from([{}, {"optional": True}, {"optional": False}, {"optional": None}])
_VALUES = st.one_of(st.booleans(), st.integers(0, 3), st.text(max_size=3), st.none())


def template(**spec: Any) -> dict[str, Any]:
    """A small template; `spec` replaces fields of its spec."""
    containers = [{"name": "web", "image": "web:1"}]
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers, **spec}}


def _reference(field: str = "name", **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda name, optional: {field: name, **more, **optional}, NAMES, _OPTIONAL)


VOLUMES = st.one_of(
    st.builds(lambda ref: {"name": "v", "configMap": ref}, _reference(defaultMode=420)),
    st.builds(lambda ref: {"name": "v", "secret": ref}, _reference("secretName")),
    st.builds(
        lambda sources: {"name": "v", "projected": {"sources": sources}},
        st.lists(
            st.one_of(
                st.builds(lambda ref: {"configMap": ref}, _reference(items=[{"key": "k", "path": "p"}])),
                st.builds(lambda ref: {"secret": ref}, _reference()),
                st.just({"serviceAccountToken": {"path": "token"}}),
            ),
            max_size=3,
        ),
    ),
    st.just({"name": "v", "emptyDir": {}}),
)
VARIABLES = st.one_of(
    st.builds(lambda value: {"name": "A", "value": value}, st.text(max_size=3)),
    st.builds(lambda ref: {"name": "A", "valueFrom": {"configMapKeyRef": ref}}, _reference(key="k")),
    st.builds(lambda ref: {"name": "A", "valueFrom": {"secretKeyRef": ref}}, _reference(key="k")),
)
ENVIRONMENTS = st.one_of(
    st.builds(lambda ref: {"configMapRef": ref}, _reference()),
    st.builds(lambda ref: {"prefix": "P_", "secretRef": ref}, _reference()),
)
CONTAINERS = st.fixed_dictionaries(
    {"name": st.sampled_from(["web", "proxy"]), "image": st.sampled_from(["web:1", "web:2"])},
    optional={
        "env": st.lists(VARIABLES, max_size=3),
        "envFrom": st.lists(ENVIRONMENTS, max_size=2),
        "resources": st.just({}),
        "stdin": _VALUES,
    },
)
TEMPLATES = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"labels": st.just({"app": "web"})}, optional={"annotations": st.dictionaries(st.text(max_size=3), NAMES)}
        ),
        "spec": st.fixed_dictionaries(
            {"containers": st.lists(CONTAINERS, min_size=1, max_size=2)},
            optional={
                "initContainers": st.lists(CONTAINERS, max_size=2),
                "volumes": st.lists(VOLUMES, max_size=3),
                "imagePullSecrets": st.lists(st.fixed_dictionaries({"name": NAMES}), max_size=1),
                "hostNetwork": _VALUES,
            },
        ),
    }
)
JSON = st.recursive(
    _VALUES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=2), inner, max_size=3)),
    max_leaves=12,
)


def spoiled(value: Any, rng: random.Random, junk: Any) -> Any:
    """A copy of `value` with `junk` in one place or another: what no server would store, and nothing may fall over."""
    if rng.random() < 0.15:
        return junk
    if isinstance(value, dict):
        return {key: spoiled(item, rng, junk) for key, item in value.items()}
    if isinstance(value, list):
        return [spoiled(item, rng, junk) for item in value]
    return value


def rewritten(value: Any, rng: random.Random) -> Any:
    """The same value written in another way: other order of keys, further nulls."""
    if isinstance(value, list):
        return [rewritten(item, rng) for item in value]
    if not isinstance(value, dict):
        return value
    items = [(key, rewritten(item, rng)) for key, item in value.items()]
    if rng.random() < 0.3:
        items.append(("absent", None))
    rng.shuffle(items)
    return dict(items)
