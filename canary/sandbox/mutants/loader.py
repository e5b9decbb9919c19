"""Imports one module from a changed source; the file stays as it is, and so does its cached bytecode."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType

from canary.sandbox.mutants.catalogue import Mutant, mutated


class TooLate(ImportError):
    """The module was imported before it was changed: a mutant needs a process that has not seen it."""


class _Changed(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)

    def get_source(self, fullname: str) -> str:
        return self._source


class Swap(MetaPathFinder):
    """Finds one module, changed. `used` tells whether anybody has asked for it."""

    def __init__(self, mutant: Mutant) -> None:
        self.used = False
        self._name = mutant.module
        self._loader = _Changed(mutant.module, str(mutant.path), mutated(mutant))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        self.used = True
        return spec_from_file_location(fullname, self._loader.path, loader=self._loader)


def install(mutant: Mutant) -> Swap:
    """Let this process import the mutant. Raises `TooLate`, and `BadCatalogue` when the change does not apply."""
    if mutant.module in sys.modules:
        raise TooLate(f"{mutant.id}: {mutant.module} was imported before")
    swap = Swap(mutant)
    sys.meta_path.insert(0, swap)
    return swap
