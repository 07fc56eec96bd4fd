"""The sensors' pipeline, loaded as the command line loads it."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from profiles.pipeline import load
from stockpipe.cli import main

ROOT = Path(__file__).parents[3]
SENSORS = load(ROOT / "examples" / "sensors")


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        assert self.exit_code == 0, (self.stdout, self.stderr)
        return json.loads(self.stdout)


def stockpipe(*arguments: str, **environment: str) -> Answer:
    """Run `stockpipe …` in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["stockpipe", *arguments])
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    assert isinstance(ended.value.code, int | None)
    printed = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return Answer(ended.value.code or 0, *printed)
