"""Bad input gets one clear line and exit code 2, never a traceback: every option and argument of every command."""

import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from cyclopts import App
from docker.errors import DockerException

from emulator import lifecycle
from profiles.errors import CannotRunError
from profiles.session import Aws
from stockpipe import demo
from stockpipe.cli import app
from terminal.commands import run as run_app

HOSTILE = (
    "",
    " ",
    "x" * 10_000,
    os.fsdecode(b"\xff\xfe"),
    "\ud800",
    "a\0b",
    "a\nb",
    "../../etc",
    "/proc/self/mem",
    "-1",
    "0",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "1" + "0" * 30,
    "1" * 5000,
    "\u0661\u0662\u0663",
    "\uff11",
    "\x1b[31mred",
    "[red]",
    "[/]",
    "\u202etxt",
    "; rm -rf /",
    "$(id)",
    "{0} %s %n",
    "A" * 300,
    "Under_Score",
    "99999",
    "/nonexistent/file",
    ".",
    "0d",
    "1e400s",
    "9" * 400 + "d",
    "5 parsecs",
    "2026-13-45T99:99:99Z",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "SELECT FROM WHERE",
    "'; DROP TABLE ticks; --",
    "(" * 5000,
    "*",
    "--",
)
# What a command needs beside the option, to get as far as reading it.
BESIDE = {
    "diff": ["--profile", "local", "--profile", "local"],
    "query": ["--engine", "duckdb"],
    "export function-zip": ["code.zip"],
    "trace": ["some-id"],
    "dlq show": ["some-id"],
}
SECONDS = 30.0  # on a machine that is busy with other tests


def commands(group: App = app, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    """Every command with its path."""
    for name in group:
        if not name.startswith("-"):
            command = group[name]
            if command.default_command is None:
                yield from commands(command, (*path, name))
            else:
                yield (*path, name), command


def cases() -> Iterator[tuple[tuple[str, ...], str, tuple[str, ...]]]:
    """Path, option (or nothing for an argument), values: all where it is seen first, elsewhere some in turn."""
    known: set[tuple[str, str | None]] = set()
    number = 0
    for path, command in commands():
        for argument in command.assemble_argument_collection(parse_docstring=True):
            if not argument.show or argument.token_count()[0] == 0:
                continue
            option = "" if argument.index is not None else argument.name
            seen = (argument.name, argument.parameter.help) in known
            known.add((argument.name, argument.parameter.help))
            number += 1
            yield (
                path,
                option,
                tuple(HOSTILE[(number + k) % len(HOSTILE)] for k in range(0, 40, 13)) if seen else HOSTILE,
            )


CASES = list(cases())


@pytest.fixture(autouse=True)
def nothing_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder of its own, an account, and beyond that no AWS, no Docker, no engine and no server."""

    def refuse(*_: object, **__: object) -> Any:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    def no_docker(*_: object, **__: object) -> Any:
        raise DockerException("none here")

    def no_engine(*_: object, **__: object) -> Any:
        raise CannotRunError("no engine is started here")

    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith(("AWS_", "STOCKPIPE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("STOCKPIPE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(Aws, "account", "000000000000")
    monkeypatch.setattr(Aws, "client", refuse)
    monkeypatch.setattr(demo, "identify", lambda *_, **__: None)
    monkeypatch.setattr("docker.from_env", no_docker)
    monkeypatch.setattr(lifecycle, "start", no_engine)
    monkeypatch.setattr(lifecycle, "available", lambda *_, **__: "not here")
    monkeypatch.setattr("console.app.serve", lambda *_, **__: None)


def run(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> tuple[int, str]:
    """Exit code, and what was said to a terminal that takes ASCII only."""
    monkeypatch.setattr(sys, "argv", ["stockpipe", *arguments])
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict", write_through=True)
    code: Any = 0
    with redirect_stdout(out), redirect_stderr(out):
        try:
            run_app(app)
        except SystemExit as error:
            code = error.code or 0
    return code, out.buffer.getvalue().decode()


def is_one_explanation(said: str) -> bool:
    """An error of one line; a declaration with several faults has a line for each."""
    lines = said.strip().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("error:")]
    return len(starts) == 1 and all("AWS would say" in line for line in lines[starts[0] + 1 :])


@pytest.mark.parametrize("value", ["inf", "1e999"])
@pytest.mark.parametrize("option", [["demo", "--seconds"], ["demo", "--rate"], ["reconcile", "--wait"]])
def test_what_is_not_a_finite_number_is_called_so(
    monkeypatch: pytest.MonkeyPatch, option: list[str], value: str
) -> None:
    code, said = run(monkeypatch, [option[0], f"{option[1]}={value}"])

    assert code == 2
    assert "is not a finite number" in said


@pytest.mark.parametrize(
    ("path", "option", "values"), CASES, ids=[" ".join((*path, option)).strip() for path, option, _ in CASES]
)
def test_a_hostile_value_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...], option: str, values: tuple[str, ...]
) -> None:
    problems = []
    for value in values:
        beside = BESIDE.get(" ".join(path), []) if option or path == ("query",) else []
        given = [f"{option}={value}"] if option else ["--", value]
        started = time.monotonic()
        code, said = run(monkeypatch, [*path, *beside, *given])
        took = time.monotonic() - started
        is_explained = code != 2 or is_one_explanation(said)
        if code not in (0, 1, 2) or "Traceback" in said or not is_explained or took > SECONDS or "\x1b[31m" in said:
            problems.append(f"{value[:40]!a}: exit code {code} after {took:.1f} s: {said[-700:]}")
    assert problems == []
