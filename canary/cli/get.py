"""`canary get`: a table of Canaries, once or as they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from canary.cli.canaries import View
from canary.cli.document import document
from canary.cli.exits import Exit, Failure
from canary.cli.failures import failures
from canary.cli.follow import Change
from canary.cli.listing import Format, Table, bare, reference
from canary.cli.session import Session

if TYPE_CHECKING:
    from rich.text import Text


async def get(session: Session, name: str, *, everywhere: bool, form: Format | None) -> int:
    """Print the Canary called `name`, or all, once."""
    namespace = None if everywhere else session.namespace
    if name:
        found: Sequence[View] = [await session.canary(name)]
    else:
        with failures():
            found = [change.view for change in await anext(session.follower(namespace).changes())]
    if form in (Format.JSON, Format.YAML):
        session.terminal.write(document(_whole(found, single=bool(name)), form))
    elif form is Format.NAME:
        for view in found:
            session.terminal.print(reference(view))
    elif not found:
        session.terminal.note(f"No Canaries found{'' if everywhere else f' in namespace {session.namespace}'}.")
    else:
        table = Table(wide=form is Format.WIDE, namespaces=everywhere)
        for line in table.lines(found, session.now()):
            session.terminal.print(line)
    return Exit.REACHED


def _whole(views: Sequence[View], *, single: bool) -> dict[str, object]:
    if single:
        return bare(views[0])
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": [*map(bare, views)]}


async def watch(session: Session, name: str, *, everywhere: bool, form: Format | None) -> int:
    """Print Canaries now and each time they change, until interrupted."""
    follower = session.follower(None if everywhere else session.namespace, name)
    with failures(session.what(name) if name else ""), _view(session, form, everywhere) as show:
        async with aclosing(follower.changes()) as batches:
            first = True
            async for changes in batches:
                if first and name and not changes:
                    raise Failure(f"{session.what(name)} does not exist", Exit.NOT_FOUND)
                show(changes)
                first = False
    return Exit.REACHED


@contextmanager
def _view(session: Session, form: Format | None, namespaces: bool) -> Iterator[Callable[[Sequence[Change]], None]]:
    """What is done with changes; the end of the block restores the terminal."""
    if form in (Format.JSON, Format.YAML, Format.NAME):
        yield _Whole(session, form).show
    elif not session.terminal.live:
        yield _Rows(session, Table(wide=form is Format.WIDE, namespaces=namespaces)).show
    else:
        live = _Live(session, wide=form is Format.WIDE, namespaces=namespaces)
        try:
            yield live.show
        finally:
            live.close()


class _Whole:
    """Objects one after the other, as a stream of documents."""

    def __init__(self, session: Session, form: Format) -> None:
        self._session, self._form = session, form

    def show(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if self._form is Format.NAME:
                self._session.terminal.print(reference(change.view))
                continue
            separator = "---\n" if self._form is Format.YAML else ""
            self._session.terminal.write(separator + document(bare(change.view), self._form))


class _Rows:
    """One line per change; a change that the table does not show is none."""

    def __init__(self, session: Session, table: Table) -> None:
        self._session, self._table = session, table
        self._shown: dict[str, tuple[str, ...]] = {}
        self._begun = False

    def show(self, changes: Sequence[Change]) -> None:
        now = self._session.now()
        if not self._begun and changes:
            self._begun = True
            for line in self._table.lines([change.view for change in changes], now)[:1]:
                self._session.terminal.print(line)
        for change in changes:
            cells = self._table.cells(change.view, now, gone=change.deleted)
            key = self._table.key(cells)
            if self._shown.get(change.view.title) != key:
                self._shown[change.view.title] = key
                self._session.terminal.print(self._table.row(cells))


class _Live:
    """The whole table, drawn again in place; ages go on while nothing changes."""

    def __init__(self, session: Session, *, wide: bool, namespaces: bool) -> None:
        from rich.live import Live

        self._session, self._wide, self._namespaces = session, wide, namespaces
        self._views: dict[str, View] = {}
        self._live = Live(
            console=session.terminal.console(), get_renderable=self._drawn, refresh_per_second=2, transient=False
        )

    def show(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.deleted:
                self._views.pop(change.view.title, None)
            else:
                self._views[change.view.title] = change.view
        self._live.start(refresh=False)
        self._live.refresh()

    def close(self) -> None:
        self._live.stop()

    def _drawn(self) -> Text:
        from rich.text import Text

        if not self._views:
            return Text("No Canaries.")
        table = Table(wide=self._wide, namespaces=self._namespaces)
        views = [self._views[title] for title in sorted(self._views)]
        return Text("\n").join(table.lines(views, self._session.now()))
