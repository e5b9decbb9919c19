"""A YAML document as the API server would see it, with the place of each value.

Scalars mean what they mean to kubectl, which makes JSON of YAML first: a date and `1:30` are texts, `yes` is true, keys
are texts. Source: https://pkg.go.dev/sigs.k8s.io/yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

from canary.lint.finding import Place
from canary.lint.parts import Lines, Part

_YAML = "tag:yaml.org,2002:"
_MERGE = f"{_YAML}merge"
_TEXTS = (f"{_YAML}timestamp", f"{_YAML}value")
_INDEX = re.compile(r"\[([0-9]{1,9})\]")


class Broken(Exception):
    """The document is no YAML, or not one that means anything as JSON; `place` says where."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


class Entry(NamedTuple):
    """A field of an object: the nodes of its name and its value."""

    key: yaml.Node
    value: yaml.Node


class Duplicate(NamedTuple):
    """A name that an object has twice, and the path of the field."""

    field: str
    place: Place


class _Loader(yaml.SafeLoader):
    """Without the kinds of scalars that JSON does not know."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # the name and the type are PyYAML's
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _TEXTS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Tree:
    """One document. `value` is the whole of it as plain JSON, `duplicates` the names that stand twice.

    Raises `Broken`.
    """

    def __init__(self, part: Part, lines: Lines) -> None:
        self._start, self._lines = part.start, lines
        self._entries: dict[int, dict[str, Entry]] = {}
        self._values: dict[int, Any] = {}
        self._open: set[int] = set()
        self._merging: set[int] = set()
        self.duplicates: list[Duplicate] = []
        try:
            root = self._compose(part.text)
            self.value = None if root is None else self._read(root, "")
        except RecursionError:
            raise Broken("is nested too deeply", self._at(0)) from None
        self._root = root

    def _compose(self, text: str) -> yaml.Node | None:
        loader = None
        try:
            loader = _Loader(text)
            root: yaml.Node | None = loader.get_single_node()
        except yaml.reader.ReaderError as error:
            words = f"has a character that YAML does not allow: U+{int(error.character):04X}"
            raise Broken(words, self._at(error.position)) from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise Broken(_words(error), self._at(mark.index if mark else 0)) from None
        except (ValueError, ArithmeticError, yaml.YAMLError) as error:
            # An escape beyond Unicode is no YAMLError of PyYAML's scanner.
            raise Broken(f"is no YAML: {error}", self._at(0)) from None
        finally:
            if loader is not None:
                loader.dispose()
        return root

    def _at(self, start: int, end: int = 0) -> Place:
        return self._lines.place(self._start + start, self._start + end if end else 0)

    def _of(self, node: yaml.Node) -> Place:
        end = node.end_mark.index if isinstance(node, yaml.ScalarNode) else 0
        return self._at(node.start_mark.index, end)

    def _read(self, node: yaml.Node, path: str) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if id(node) in self._values:
            return self._values[id(node)]
        if id(node) in self._open:
            raise Broken("contains itself", self._of(node))
        self._open.add(id(node))
        value: Any
        if isinstance(node, yaml.SequenceNode):
            value = [self._read(item, f"{path}[{index}]") for index, item in enumerate(node.value)]
        else:
            entries = self._fields(node, path)
            value = {name: self._read(each.value, _join(path, name)) for name, each in entries.items()}
        self._open.discard(id(node))
        self._values[id(node)] = value
        return value

    def _fields(self, node: yaml.Node, path: str) -> dict[str, Entry]:
        """The fields of a mapping with those that `<<` merges in, which its own ones override."""
        if id(node) in self._entries:
            return self._entries[id(node)]
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                for source in self._merged(node, value):
                    merged = {**self._fields(source, path), **merged}
                continue
            name = self._name(key)
            if name in own:
                self.duplicates.append(Duplicate(_join(path, name), self._of(key)))
            own[name] = Entry(key, value)
        self._entries[id(node)] = {**merged, **own}
        return self._entries[id(node)]

    def _merged(self, node: yaml.Node, value: yaml.Node) -> Iterator[yaml.Node]:
        self._merging.add(id(node))
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if not isinstance(source, yaml.MappingNode):
                raise Broken("`<<` must have a mapping, or a list of them", self._of(value))
            if id(source) in self._merging:
                raise Broken("contains itself", self._of(value))
            yield source
        self._merging.discard(id(node))

    def _name(self, key: yaml.Node) -> str:
        if not isinstance(key, yaml.ScalarNode):
            raise Broken("a name must be a text", self._of(key))
        value = _scalar(key)
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return str(value).lower()
        return "null" if value is None else str(value)

    def locate(self, path: str, *, name: bool = False) -> Place:
        """Where a path such as `spec.steps[1].weight` stands; for a field that is missing, where it should be.

        Of a list or an object, and with `name` of any field, it is the name that is found.
        """
        key: yaml.Node | None = None
        node, rest = self._root, path
        while rest and (found := self._below(node, rest)):
            key, node, rest = found
        if node is None:
            return self._at(0)
        at_name = key is not None and (name or bool(rest) or not isinstance(node, yaml.ScalarNode))
        return self._of(key if key is not None and at_name else node)

    def _below(self, node: yaml.Node | None, path: str) -> tuple[yaml.Node | None, yaml.Node, str] | None:
        if isinstance(node, yaml.MappingNode):
            fields = self._entries.get(id(node), {})
            # A name may hold dots itself.
            fitting = [n for n in fields if path == n or path.startswith((f"{n}.", f"{n}["))]
            if not fitting:
                return None
            name = max(fitting, key=len)
            return fields[name].key, fields[name].value, path[len(name) :].removeprefix(".")
        index = _INDEX.match(path)
        if not isinstance(node, yaml.SequenceNode) or index is None or int(index[1]) >= len(node.value):
            return None
        return None, node.value[int(index[1])], path[index.end() :].removeprefix(".")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _words(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem or error)
    return f"is no YAML: {error.context}, {problem}" if error.context else f"is no YAML: {problem}"


_CONSTRUCT = {
    f"{_YAML}bool": SafeConstructor.construct_yaml_bool,
    f"{_YAML}int": SafeConstructor.construct_yaml_int,
    f"{_YAML}float": SafeConstructor.construct_yaml_float,
}


def _scalar(node: yaml.ScalarNode) -> Any:
    if node.tag == f"{_YAML}null":
        return None
    if node.tag in _CONSTRUCT and ":" not in node.value:
        try:
            return _CONSTRUCT[node.tag](SafeConstructor(), node)
        except (ValueError, LookupError, ArithmeticError, ConstructorError):
            pass  # By an explicit tag; the text is what people wrote.
    # JSON writes characters beyond U+FFFF as two; a half of such a pair is no character.
    return str(node.value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
