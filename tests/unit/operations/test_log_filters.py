"""What the help of `stockpipe logs` recommends finds failures, and nothing else."""

import json
import re

import pytest

from operations.commands.logs import logs

# As Powertools writes them: what the function says of a batch without a failure, and of two failures.
HEALTHY = (
    json.dumps({"level": "INFO", "message": "batch processed", "stored": 10, "failed": 0, "alerts_published": 0}),
    json.dumps({"_aws": {"Timestamp": 0}, "TicksStored": [10.0], "TicksRejected": [0.0]}),
    "START RequestId: 4f9d Version: $LATEST",
    "REPORT RequestId: 4f9d Duration: 12.5 ms",
)
FAILURES = {
    "ERROR": (
        json.dumps({"level": "ERROR", "message": "tick rejected", "reason": "price: not a number"}),
        "[ERROR] Runtime.ImportModuleError: Unable to import module",
    ),
    "WARNING": (json.dumps({"level": "WARNING", "message": "tick failed", "reason": "NoSuchBucket"}),),
}


def test_every_recommended_filter_is_covered_here() -> None:
    assert set(re.findall(r'--filter "?([\w ]+)', logs.__doc__ or "")) == set(FAILURES)


@pytest.mark.parametrize("text", FAILURES)
def test_a_recommended_filter_finds_its_failure_and_no_healthy_line(text: str) -> None:
    assert all(text.lower() in line.lower() for line in FAILURES[text])
    assert not [line for line in HEALTHY if text.lower() in line.lower()]
