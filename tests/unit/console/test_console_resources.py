"""What the page says about resources."""

from bootstrap import ResourceStatus
from bootstrap.model import Difference
from console.panels.resources import look, summary

GOOD = ResourceStatus("queue StockQueue", True, "arn", "", ())
MISSING = ResourceStatus("topic StockAlerts", False, "", "", ())
DRIFTED = ResourceStatus("queue StockQueue-dlq", True, "arn", "", (Difference("Attribute", 1, 2),))
SKIPPED = ResourceStatus("workgroup stock", False, "", "skipped", (), "ministack has no such service")


def test_what_this_endpoint_cannot_have_is_neither_missing_nor_red() -> None:
    assert summary([GOOD, SKIPPED]) == "2 resources: 1 not available at this endpoint"
    assert look(SKIPPED) == ("remove_circle_outline", "muted")


def test_what_is_not_as_declared_is_counted_and_red() -> None:
    assert summary([GOOD]) == "1 resources: all as declared"
    assert summary([GOOD, MISSING, DRIFTED]) == "3 resources: 1 missing, 1 not as declared"
    assert look(GOOD) == ("check_circle", "good-ink")
    assert [look(one)[1] for one in (MISSING, DRIFTED)] == ["alarm-ink", "alarm-ink"]
