"""`canary lint` as a shell sees it: what it reads, what it prints where, and its exit codes."""

from __future__ import annotations

import io
import json
import sys

import pytest

from canary.cli.completion import cobra
from canary.cli.lint import Options, command, manifests
from canary.cli.main import main
from canary.cli.terminal import Terminal

GOOD = """\
apiVersion: canary.delivery/v1beta1
kind: Canary
metadata: {name: web, namespace: shop}
spec:
  backends: {stable: web-v1, canary: web-v2}
  service: {name: web}
  steps: [{weight: 10, hold: 10m}, {weight: 50, hold: 10m}]
"""
ADVISED = GOOD.replace("hold: 10m}, {", "hold: 5s}, {")
BAD = GOOD.replace("weight: 10", "weight: 0")


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes files below the working directory."""
    monkeypatch.chdir(tmp_path)

    def make(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    return make


@pytest.mark.parametrize(
    ("text", "arguments", "code"),
    [
        (GOOD, [], 0),
        (GOOD, ["--strict"], 0),
        (ADVISED, [], 0),
        (ADVISED, ["--strict"], 2),
        (ADVISED, ["--strict", "--ignore", "short-hold"], 0),
        (BAD, [], 2),
        (BAD, ["-o", "json"], 2),
        (BAD, ["-o", "sarif"], 2),
        ("a: b: c", [], 2),
    ],
)
def test_the_exit_code_says_whether_it_may_be_applied(write, capsys, text, arguments, code):
    write(canary_yaml=text)
    assert main(["lint", "-f", "canary.yaml", *arguments]) == code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a file, a folder or - for stdin"),
        (["-f", "nowhere.yaml"], "nowhere.yaml: No such file or directory"),
        (["-f", "other.yaml"], "no Canary found in other.yaml"),
        (["-f", "other.yaml", "-o", "json"], "no Canary found in other.yaml"),
        (["-f", "canary.yaml", "--ignore", "schema"], "--ignore: 'schema' is no advice"),
        (["-f", "canary.yaml", "--rps", "nan"], "--rps"),
        (["-f", "canary.yaml", "--rps", "0"], "--rps"),
        (["-f", "canary.yaml", "--rps", "inf"], "--rps"),
        (["-f", "canary.yaml", "-o", "xml"], "'xml' is not one of"),
    ],
)
def test_where_there_is_nothing_to_look_at_it_is_code_1_and_one_line(write, capsys, arguments, words):
    write(canary_yaml=GOOD, other_yaml="kind: ConfigMap\n")
    assert main(["lint", *arguments]) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert words in shown.err


def test_findings_go_to_stdout_and_the_count_to_stderr(write, capsys):
    write(canary_yaml=BAD)
    main(["lint", "-f", "canary.yaml"])
    shown = capsys.readouterr()
    assert shown.out == "canary.yaml:7:20: error: spec.steps[0].weight: must be from 1 to 100 [schema]\n"
    assert shown.err == "1 Canary, 1 error, 0 warnings, 0 notes\n"


def test_a_folder_is_read_with_all_below_it(write, capsys):
    write(a__web_yaml=BAD, a__b__c_yml=BAD, a__d_json=BAD, a__e_txt=BAD)
    write(**{"a__.git__f_yaml": BAD})
    main(["lint", "-f", "a"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["a/b/c.yml", "a/d.json", "a/web.yaml"]


def test_files_may_be_given_as_a_shell_does(write, capsys):
    write(a_yaml=BAD, b_yaml=BAD, c_yaml=BAD)
    main(["lint", "-f", "a.yaml", "b.yaml", "-f", "c.yaml", "-f", "a.yaml"])
    files = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert files == ["a.yaml", "c.yaml", "b.yaml"]


def test_a_dash_is_stdin(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    assert main(["lint", "-f", "-"]) == 2
    assert capsys.readouterr().out.startswith("-:7:20: error: ")


def test_programs_get_json(write, capsys):
    write(canary_yaml=BAD)
    main(["lint", "-f", "canary.yaml", "-o", "json"])
    shown = capsys.readouterr()
    assert json.loads(shown.out)["findings"][0]["rule"] == "schema"
    assert shown.err == ""


def test_code_hosts_get_sarif(write, capsys):
    write(canary_yaml=BAD)
    main(["lint", "-f", "canary.yaml", "-o", "sarif"])
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"][0]["ruleId"] == "schema"


def test_the_plan_is_a_table(write, capsys):
    write(canary_yaml=GOOD)
    main(["lint", "-f", "canary.yaml", "--plan", "--rps", "1"])
    assert capsys.readouterr().out.splitlines()[-5:] == [
        "shop/web: 21m40s at best",
        "STEP   WEIGHT   LASTS   WINDOWS   REQUESTS   BREACH FROM",
        "1      10%      10m     19        57         8.8%",
        "2      50%      10m     19        285        1.8%",
        "3      100%     40s     1         30         17%",
    ]


def test_a_step_that_may_end_early_has_both_times(write, capsys):
    tested = "  analysis: {early: true, metrics: [{name: ok, min: 99, compare: Stable}]}\n"
    write(canary_yaml=GOOD + tested)
    main(["lint", "-f", "canary.yaml", "--plan"])
    assert "1      10%      1m40s to 10m   19        -          -" in capsys.readouterr().out


class Tty(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("color", "colored"), [(True, True), (False, False)])
def test_colours_are_for_terminals_that_want_them(write, color, colored, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    write(canary_yaml=BAD)
    out = Tty()
    command(Terminal(out, io.StringIO(), color=color), ["canary.yaml"], Options())
    assert ("\x1b[" in out.getvalue()) == colored
    assert "must be from 1 to 100" in out.getvalue()


def test_what_a_file_says_cannot_move_the_cursor(write, capsys):
    write(canary_yaml=GOOD + '  "\\e[2Jx": 1\n')
    main(["lint", "-f", "canary.yaml"])
    assert "\x1b" not in capsys.readouterr().out


def test_files_and_rules_are_completed(write):
    write(deploy__web_yaml=GOOD, web_yaml=GOOD, web_txt="")
    assert cobra(["lint", "-f", ""]).splitlines() == ["deploy/", "web.yaml", ":4"]
    assert cobra(["lint", "-f", "deploy/w"]).splitlines() == ["deploy/web.yaml", ":4"]
    assert cobra(["lint", "-f", "no/such/"]).splitlines() == [":4"]
    assert cobra(["lint", "--ignore", "short-h"]).startswith("short-hold\t")


def test_a_folder_without_manifests_has_none(tmp_path):
    assert manifests(str(tmp_path)) == []
