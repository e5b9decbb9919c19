"""What a campaign has played so far, so that it can be broken off and gone on with."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import msgspec

from canary.sandbox.campaign.tally import Tally


class Entry(msgspec.Struct):
    """One line: what was played, by which code."""

    code: str
    task: str
    tally: Tally


class Ledger:
    """A file of JSON lines that is only ever added to. Lines of other code count for nothing, nor does a torn one.

    What failed is not kept, so that it is played, and seen to fail, again.
    """

    def __init__(self, path: Path, code: str) -> None:
        self._path, self._code = path, code

    def read(self) -> dict[str, Tally]:
        """By task, what this code has played. Raises `OSError` when there is a file that cannot be read."""
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        found = {}
        for line in lines:
            try:
                entry = msgspec.json.decode(line, type=Entry)
            except msgspec.DecodeError:
                continue
            if entry.code == self._code:
                found[entry.task] = entry.tally
        return found

    def add(self, task: str, tally: Tally) -> None:
        """Write down what a task has given, whatever ends this program next. Raises `OSError`."""
        if tally.failed:
            return
        with self._path.open("ab+") as file:
            # After a line that was torn, a new one begins.
            file.seek(max(file.seek(0, 2) - 1, 0))
            torn = file.read(1) not in (b"", b"\n")
            file.write(b"\n" * torn + msgspec.json.encode(Entry(self._code, task, tally)) + b"\n")


def code_digest() -> str:
    """Stands for this interpreter and every module of ours that is loaded: a run of either is the same run."""
    digest = hashlib.sha256(sys.version.encode())
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] == "canary" and file is not None:
            digest.update(name.encode() + b"\0" + Path(file).read_bytes())
    return digest.hexdigest()
