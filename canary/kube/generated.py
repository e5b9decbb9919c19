"""kubernetes_asyncio without its generated classes, of which this program uses none.

Any import of the library loads a class for every kind and every API group of Kubernetes, over 1,200 modules: most of
the memory and of the start of a small controller. Inside `without_generated_classes` each of these modules is empty and
has `object` for every class that is asked of it. What stays is what reads kubeconfigs, builds TLS and fetches tokens.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_GENERATED = ("kubernetes_asyncio.client.models", "kubernetes_asyncio.client.api")


@contextmanager
def without_generated_classes() -> Iterator[None]:
    """Import kubernetes_asyncio inside the block. A library that is loaded already stays as it is."""
    finder = _Empty()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Empty(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if any(fullname == package or fullname.startswith(f"{package}.") for package in _GENERATED):
            return ModuleSpec(fullname, self, is_package=fullname in _GENERATED)
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__getattr__"] = _class


def _class(name: str) -> type:
    """Any class by its name; what the import system itself looks for is not there."""
    if name.startswith("_"):
        raise AttributeError(name)
    return object
