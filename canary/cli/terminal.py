"""What people see: results on stdout, everything else on stderr, colours only where they are wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# C0 and C1 controls but tab, and the marks that turn the direction of text: what an object says must not be able to
# move the cursor or to hide other words (as in CVE-2021-25743 of kubectl).
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """`text` from the cluster, safe to print on one line."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", " ").replace("\n", " "))


class Terminal:
    """The two streams of the program. `color` is what the user allows; a stream that is no terminal stays plain."""

    def __init__(self, out: TextIO, err: TextIO, *, color: bool = True) -> None:
        self._out, self._err, self._color = out, err, color

    @property
    def live(self) -> bool:
        """Whether somebody watches who can be shown a view that changes in place."""
        return self._out.isatty()

    def print(self, line: Text | str) -> None:
        """One line of the result."""
        if isinstance(line, str) or not (self._color and self.live):
            print(line if isinstance(line, str) else line.plain, file=self._out, flush=True)
        else:
            self.console().print(line, soft_wrap=True)

    def write(self, text: str) -> None:
        """Text of the result that has its own line ends."""
        self._out.write(text)
        self._out.flush()

    def note(self, line: str) -> None:
        """One line of progress or of a problem."""
        print(line, file=self._err, flush=True)

    def progress(self, text: str) -> None:
        """How far something is, in place of what was said before, to somebody who watches; empty when it is done."""
        if self._err.isatty():
            print(f"\r\x1b[K{text}", end="", file=self._err, flush=True)

    def console(self) -> Console:
        """The terminal as rich draws on it."""
        from rich.console import Console

        return Console(
            file=self._out, color_system="auto" if self._color else None, highlight=False, markup=False, emoji=False
        )


def wants_color(no_color: bool, environ: Mapping[str, str]) -> bool:
    """Whether colours are allowed (https://no-color.org: any value that is not empty forbids them)."""
    return not (no_color or environ.get("NO_COLOR") or environ.get("TERM") == "dumb")
