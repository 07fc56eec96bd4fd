"""What others read of the declaration."""

from operations import declared
from profiles.environment import Environment
from profiles.session import open_endpoint
from tests.support.environments import at, stock_names


def environment() -> Environment:
    return at(open_endpoint("http://127.0.0.1:1"), stock_names("000000000000", "alice"))


def test_the_own_queue_comes_before_those_that_belong_to_it() -> None:
    queues = [one.name for one in declared.resources(environment(), "queue")]
    assert queues == ["alice-StockQueue", "alice-StockQueue-dlq", "alice-StockAlertsInbox"]
    assert [one.name for one in declared.resources(environment(), "log group")] == ["/aws/lambda/alice-StockProcessor"]


def test_a_mapping_names_its_queue_and_its_function() -> None:
    (mapping,) = declared.resources(environment(), "event source mapping")
    assert declared.source_and_target(mapping) == ("alice-StockQueue", "alice-StockProcessor")


def test_a_dead_letter_queue_is_one_that_a_redrive_policy_leads_to() -> None:
    assert [one.name for one in declared.dead_letter_queues(environment())] == ["alice-StockQueue-dlq"]
