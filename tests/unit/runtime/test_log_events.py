"""What a function logs and measures carries the contract's nouns."""

from runtime.log_events import LogEvents, MetricNames, log_events, metric_names
from tests.unit.runtime.readings import READINGS


def test_log_lines_and_metrics_are_named_after_the_records() -> None:
    assert log_events(READINGS) == LogEvents("reading rejected", "reading failed")
    assert metric_names(READINGS) == MetricNames("ReadingsStored", "ReadingsRejected", "ReadingsDuplicate")
