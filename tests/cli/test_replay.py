"""`canary replay` as a shell sees it: files, a Prometheus over HTTP, words and exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from canary.cli.exits import Exit
from canary.cli.main import main
from tests.simulate.histories import T0, release

CANARY: dict[str, Any] = {
    "apiVersion": "canary.delivery/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "podinfo", "namespace": "shop"},
    "spec": {
        "backends": {"stable": "podinfo-v1", "canary": "podinfo-v2"},
        "service": {"name": "podinfo"},
        "steps": [{"weight": 10, "hold": "1m"}, {"weight": 50, "hold": "4m"}],
        "analysis": {
            "interval": "30s",
            "metrics": [{"name": "success-rate", "min": "99"}, {"name": "latency", "quantile": "p99", "max": "500ms"}],
        },
    },
}
BEFORE, TENTH = (4, (0, 0), (1500, 0)), ((150, 0), (1350, 0))
BAD = release(BEFORE, (8, *TENTH), (20, (150, 30), (1350, 0)))
GOOD = release(BEFORE, (60, *TENTH))
SHORT = release(BEFORE, (8, *TENTH))

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The exit code and both streams of `canary replay` on a file of metrics; `canary` changes the Canary."""

    def go(csv: str | None, *options: str, canary: dict[str, Any] | str = CANARY) -> tuple[int, str, str]:
        (tmp_path / "canary.yaml").write_text(canary if isinstance(canary, str) else yaml.safe_dump(canary))
        arguments = ["replay", "-f", str(tmp_path / "canary.yaml"), *options]
        if csv is not None:
            (tmp_path / "past.csv").write_text(csv)
            arguments += ["--metrics", str(tmp_path / "past.csv")]
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out, err.replace(str(tmp_path), "")

    return go


ALONE = ("--without", "latency")


@pytest.mark.parametrize(
    ("csv", "code", "words"),
    [
        (GOOD, Exit.REACHED, "✔ Would have been promoted at "),
        (BAD, Exit.FAILED, "✖ Would have been rolled back at 12:04:15, 3m30s after its first traffic: CheckFailed: "),
        (SHORT, Exit.TIMEOUT, "◌ Would not have been decided when the recorded canary's requests ended at 12:02:45: "),
    ],
)
def test_the_exit_code_is_the_outcome(run: Run, csv: str, code: int, words: str) -> None:
    found, out, err = run(csv, *ALONE)
    assert (found, err) == (code, "")
    assert f"\n{words}" in out


def test_the_glance_has_a_line_for_each_change_and_each_verdict(run: Run) -> None:
    _, out, _ = run(BAD, *ALONE)
    lines = [re.sub(" +", " ", line) for line in out.splitlines()]
    assert lines[0].endswith("past.csv: 32 rows from 2026-01-01T12:00:00Z to 2026-01-01T12:07:45Z, one each 15 s")
    assert lines[2].split() == ["TIME", "(UTC)", "AFTER", "WEIGHT", "RECORDED"]
    shown = [line for line in lines if re.match(r"12:\d\d:\d\d", line)]
    assert shown[1].startswith("12:00:45 1m 10% WeightAdvanced: weight 0% -> 10% for podinfo-v2-")
    assert "12:01:15 1m30s 10% 10% 1 window not judged: the weight had just changed, or the canary was" in shown[2]
    assert shown[-2] == "12:04:15 4m30s 50% 10% 3 windows Breach: success-rate 80% is below 99% (60 of 300 failed)"
    assert "  The first breached window began at 12:02:45; 1m30s later the canary had no traffic." in out
    assert (
        "  Recorded: from 12:00:45 to 12:07:45 the canary failed 600 of 4200 requests; it had 10% from 12:00:45 on."
        in out
    )
    assert "note: where the plan's weight was above the recorded one, the canary had no more requests" in out


def test_a_document_has_every_window(run: Run) -> None:
    code, out, _ = run(BAD, *ALONE, "-o", "json")
    found = json.loads(out)
    assert code == Exit.FAILED
    assert (found["canary"], found["outcome"], found["reason"]) == ("shop/podinfo", "RolledBack", "CheckFailed")
    assert (found["begin"], found["end"], found["seconds"]) == ("2026-01-01T11:59:45Z", "2026-01-01T12:04:15Z", 270.0)
    assert found["detectedAfterSeconds"] == 90.0
    assert [window["verdict"] for window in found["windows"]][-4:] == ["Healthy", "Breach", "Breach", "Breach"]
    assert found["windows"][-1]["canary"] == {"requests": 300.0, "failed": 60.0, "latency": {}}
    assert found["recorded"]["weights"] == [{"time": "2026-01-01T12:00:45Z", "weight": 10.0}]
    assert yaml.safe_load(run(BAD, *ALONE, "-o", "yaml")[1]) == found


def test_only_the_range_is_played(run: Run) -> None:
    code, out, _ = run(BAD, *ALONE, "--range", f"{T0:.0f}/2026-01-01T12:03:00Z")
    assert code == Exit.TIMEOUT
    assert "ended at 12:03:00" in out


@pytest.mark.parametrize(
    ("csv", "options", "words"),
    [
        (GOOD, (), "metric latency cannot be read: the record has no p99 latency of the canary; leave it out with"),
        (GOOD, ("--without", "errors"), "--without errors: the Canary has no such metric; it has success-rate, lat"),
        (GOOD, (*ALONE, "--without", "success-rate"), "--without: one metric at least must be judged"),
        (GOOD, (*ALONE, "--range", "now"), "--range: must be START/END, such as 2026-01-01T12:00:00Z/"),
        (GOOD, (*ALONE, "--range", "2/1"), "--range: must be START/END with the earlier one first, not 2/1"),
        (GOOD, (*ALONE, "--range", "1/2"), "the canary answered no request in"),
        (GOOD, (*ALONE, "--pack", "linkerd"), "--pack says how to ask Prometheus, and means nothing beside --metrics"),
        (GOOD, (*ALONE, "--as-recorded", "--seed", "1"), "--as-recorded draws nothing"),
        (GOOD, (*ALONE, "--prometheus", "http://127.0.0.1:1"), "Name either --metrics FILE or --prometheus URL"),
        (None, ALONE, "Name either --metrics FILE or --prometheus URL"),
        (None, ("--metrics", "/no/such.csv"), "--metrics /no/such.csv: No such file or directory"),
        ("time\n1\n", ALONE, "/past.csv: line 1: column canary_requests, or canary_requests_total, is missing"),
        (None, ("--prometheus", "http://127.0.0.1:1"), "--prometheus needs --range START/END"),
        (None, ("--prometheus", "http://127.0.0.1:1", "--range", "1/2"), "--prometheus needs --pack"),
        (
            None, ("--prometheus", "http://127.0.0.1:1", "--range", "1/2", "--pack", "linkerd"),
            "whose numbers are those of the two sides? Name them with --kind, --stable and --canary",
        ),
        (
            None, ("--prometheus", "ftp://x", "--range", "1/2", "--pack", "envoy"),
            "--prometheus: the address of Prometheus begins with http:// or https:// and a host",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_one_sentence(run: Run, csv: str | None, options: tuple[str, ...], words: str) -> None:
    code, out, err = run(csv, *options)
    assert (code, out) == (Exit.ERROR, "")
    assert err.startswith("Error: ")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("canary", "words"),
    [
        ("{", "/canary.yaml: "),
        ("kind: Service", "holds 0"),
        (CANARY | {"spec": CANARY["spec"] | {"steps": [{"weight": 101}]}}, "spec.steps[0].weight"),
        (CANARY | {"spec": None}, "/canary.yaml: spec"),
    ],
)
def test_a_canary_that_cannot_be_read(run: Run, canary: dict[str, Any] | str, words: str) -> None:
    code, _, err = run(GOOD, *ALONE, canary=canary)
    assert code == Exit.ERROR
    assert words in err


# Over HTTP.


@contextmanager
def prometheus(status: int, body: Callable[[dict[str, list[str]]], object]) -> Iterator[tuple[str, list[str]]]:
    """A server that answers each query so; yields its address, and the headers and forms that it was sent."""
    sent: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            sent.append(f"{self.headers.get('Authorization')} {form}")
            answer = json.dumps(body(parse_qs(form))).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def matrix(*series: tuple[str, str, float]) -> dict[str, Any]:
    """An answer with counters of a deployment and an outcome that grow by so much each 15 s, for ten minutes."""
    result = [
        {
            "metric": {
                "namespace": "shop", "deployment": name, "classification": outcome, "direction": "inbound",
                "instance": f"{name}:4191",
            },
            "values": [[T0 + 15 * n, str(each * n)] for n in range(41)],
        }
        for name, outcome, each in series
    ]  # fmt: skip
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


OPTIONS = (
    *ALONE, "--pack", "linkerd", "--range", "2026-01-01T12:00:00Z/2026-01-01T12:10:00Z", "--kind", "Deployment",
    "--stable", "podinfo-v1", "--canary", "podinfo-v2",
)  # fmt: skip
MINUTE = CANARY | {"spec": CANARY["spec"] | {"analysis": CANARY["spec"]["analysis"] | {"interval": "1m"}}}


def test_a_release_that_prometheus_has_recorded(run: Run, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    answer = matrix(
        ("podinfo-v1", "success", 90.0), ("podinfo-v2", "success", 8.0), ("podinfo-v2", "failure", 2.0)
    )  # fmt: skip
    with prometheus(200, lambda _: answer) as (url, sent):
        token = ("--prometheus-token-file", str(tmp_path / "token"))
        code, out, err = run(None, *OPTIONS, *token, "--prometheus", url, canary=MINUTE)
    assert (code, err) == (Exit.FAILED, "")
    assert "Linkerd (viz) in Prometheus from 2026-01-01T12:00:00Z to 2026-01-01T12:10:00Z, scraped each 15 s" in out
    assert "success-rate 80% is below 99% (8 of 40 failed)" in out
    assert len(sent) == 1
    assert sent[0].startswith("Bearer secret query=response_total")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, matrix(), "nothing was found for canary Deployment podinfo-v2 in namespace shop between"),
        (503, {}, "Prometheus answered 503 (asked for the samples up to 12:10:00)"),
        (401, {}, "Prometheus answered 401; it wants a token, or another one"),
        (404, {}, "Prometheus answered 404; does its address lack a path prefix?"),
        (400, {"status": "error", "errorType": "bad_data", "error": "x"}, "Prometheus refused the query: bad_data: x"),
        (200, [], "Prometheus answered what is no answer"),
    ],
)  # fmt: skip
def test_what_prometheus_does_not_answer_is_said(run: Run, status: int, body: object, words: str) -> None:
    with prometheus(status, lambda _: body) as (url, _):
        code, out, err = run(None, *OPTIONS, "--prometheus", url, canary=MINUTE)
    assert (code, out) == (Exit.ERROR, "")
    assert words in err


def test_the_workloads_of_a_target_are_known(run: Run) -> None:
    spec = MINUTE["spec"] | {"targetRef": {"kind": "Deployment", "name": "podinfo"}}
    spec["service"] = {"name": "podinfo", "ports": [{"port": 80}]}
    canary = MINUTE | {"spec": {name: value for name, value in spec.items() if name != "backends"}}
    with prometheus(200, lambda _: matrix()) as (url, sent):
        _, _, err = run(None, *OPTIONS[:6], "--prometheus", url, canary=canary)
    assert "nothing was found for canary Deployment podinfo in namespace shop" in err
    assert "podinfo-stable" in sent[0]
