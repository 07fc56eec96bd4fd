"""The stock function as Lambda imports it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMPLETE = {"BUCKET": "b", "SNS_TOPIC_ARN": "t", "AWS_DEFAULT_REGION": "us-east-2", "PATH": os.environ["PATH"]}


def imported(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    code = "from pipeline.process_stock import lambda_handler as handler; print(callable(handler))"
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_it_has_a_handler() -> None:
    assert imported(COMPLETE).stdout.splitlines()[-1] == "True"


@pytest.mark.parametrize("missing", ["BUCKET", "SNS_TOPIC_ARN"])
def test_a_missing_variable_is_an_init_error_that_names_it(missing: str) -> None:
    started = imported({name: value for name, value in COMPLETE.items() if name != missing})

    assert started.returncode != 0
    assert started.stderr.rstrip().endswith(f"ConfigurationError: environment variable {missing} is missing")
