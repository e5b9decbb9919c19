"""Colours and unsafe text."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from canary.cli.terminal import Terminal, clean, wants_color


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(out, **options):
    Terminal(out, io.StringIO(), **options).print(Text("Promoted", "green"))
    return out.getvalue()


def test_a_terminal_gets_colours(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert printed(Tty()) == "\x1b[32mPromoted\x1b[0m\n"


def test_a_terminal_without_colours_gets_plain_text():
    assert printed(Tty(), color=False) == "Promoted\n"


def test_a_file_gets_plain_text():
    assert printed(io.StringIO()) == "Promoted\n"


@pytest.mark.parametrize(
    ("no_color", "environ", "wanted"),
    [
        (False, {}, True),
        (True, {}, False),
        (False, {"NO_COLOR": "1"}, False),
        (False, {"NO_COLOR": ""}, True),
        (False, {"TERM": "dumb"}, False),
        (False, {"TERM": "xterm"}, True),
    ],
)
def test_colours_are_wanted_unless_something_forbids_them(no_color, environ, wanted):
    assert wants_color(no_color, environ) is wanted


def test_results_and_remarks_go_to_different_streams():
    out, err = io.StringIO(), io.StringIO()
    terminal = Terminal(out, err)
    terminal.print("result")
    terminal.note("remark")
    assert (out.getvalue(), err.getvalue()) == ("result\n", "remark\n")


@given(st.text())
def test_clean_text_has_one_line_and_no_controls(text):
    shown = clean(text)
    assert len(shown.splitlines()) <= 1
    assert all(character.isprintable() or character.isspace() or ord(character) > 0xA0 for character in shown)
    assert "\x1b" not in shown
