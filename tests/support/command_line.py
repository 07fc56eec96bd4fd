"""The command line within the test's process."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from profiles.environment import Environment
from stockpipe.cli import app
from terminal.commands import run
from terminal.environment import Naming


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams."""
        return self.stdout + self.stderr

    @property
    def error(self) -> str:
        """What it could not do; nothing if it could."""
        assert "Traceback" not in self.stderr, self.stderr
        return self.stderr.partition("error: ")[2].removesuffix("\n")


def stockpipe(*arguments: str, text: str = "") -> Answer:
    """Run `stockpipe …`; `text` is its standard input."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "stdin", io.StringIO(text))
        with pytest.raises(SystemExit) as ended:
            run(app, arguments)
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return Answer(code or 0, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def works_on(monkeypatch: pytest.MonkeyPatch, environment: Environment) -> None:
    """Whatever profile and names are given, commands work on this environment."""
    monkeypatch.setattr(Naming, "at", lambda *_: environment)
