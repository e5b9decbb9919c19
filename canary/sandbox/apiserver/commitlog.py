"""Every accepted write in the order in which it took effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from canary.sandbox.apiserver.objects import Object


@dataclass(frozen=True, slots=True)
class Commit:
    """One write that took effect.

    `monotonic` is in seconds of the server's clock. `verb` is create, update, patch, apply or delete; a deletion that
    only sets `deletionTimestamp` is an update of verb delete with a `new` object. `plural` is that of the storage and
    `new` is `None` once the object is gone. The objects are in the storage version and must not be changed.
    """

    resource_version: int
    monotonic: float
    wall: datetime
    verb: str
    group: str
    plural: str
    subresource: str
    namespace: str
    name: str
    user_agent: str
    manager: str
    old: Object | None
    new: Object | None


class CommitLog:
    """Grows at the end only; `len`, indexing and iteration as in a tuple."""

    def __init__(self) -> None:
        self._commits: list[Commit] = []

    def append(self, commit: Commit) -> None:
        self._commits.append(commit)

    def __len__(self) -> int:
        return len(self._commits)

    def __iter__(self) -> Iterator[Commit]:
        return iter(self._commits)

    def __getitem__(self, index: int) -> Commit:
        return self._commits[index]

    def of(self, plural: str, namespace: str | None = None, name: str | None = None) -> tuple[Commit, ...]:
        """The commits of one resource, optionally of one namespace and one object."""
        return tuple(
            commit
            for commit in self._commits
            if commit.plural == plural
            and (namespace is None or commit.namespace == namespace)
            and (name is None or commit.name == name)
        )
