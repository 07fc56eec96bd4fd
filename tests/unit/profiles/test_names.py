"""Resource names: the user's, and with a prefix."""

import pytest

from tests.support.environments import stock_names


def test_the_names_of_the_design() -> None:
    names = stock_names("123456789012")

    assert names.queue == "StockQueue"
    assert names.dead_letter_queue == "StockQueue-dlq"
    assert names.topic_arn == "arn:aws:sns:us-east-2:123456789012:StockAlerts"
    assert names.inbox_queue == "StockAlertsInbox"
    assert names.function_arn == "arn:aws:lambda:us-east-2:123456789012:function:StockProcessor"
    assert names.role_arn == "arn:aws:iam::123456789012:role/StockPipelineLambdaRole"
    assert names.log_group == "/aws/lambda/StockProcessor"
    assert names.bucket == "stock-data-123456789012-us-east-2"
    assert (names.workgroup, names.database) == ("stock", "stock_data")


def test_a_prefix_stands_before_every_name() -> None:
    names = stock_names("123456789012", "alice-2")

    assert names.queue == "alice-2-StockQueue"
    assert names.dead_letter_queue == "alice-2-StockQueue-dlq"
    assert names.bucket == "alice-2-stock-data-123456789012-us-east-2"
    assert names.database == "alice_2_stock_data"
    assert names.environment == "alice-2"
    assert len(names.bucket) <= 63


def test_the_bucket_can_be_named() -> None:
    assert stock_names("123456789012", "a", "my-bucket").bucket == "my-bucket"


@pytest.mark.parametrize(
    "bucket", ["Upper", "ab", "a" * 64, "-ab", "a..b", "10.0.0.1", "xn--a", "a-s3alias", "a--x-s3", "a_b", "a/b", "é-a"]
)
def test_a_bucket_name_that_s3_would_refuse_is_refused(bucket: str) -> None:
    with pytest.raises(ValueError, match="InvalidBucketName"):
        stock_names("123456789012", "", bucket)


@pytest.mark.parametrize("prefix", ["Alice", "1a", "a_b", "a" * 16, "-a", "ä"])
def test_a_prefix_that_aws_would_refuse_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="becomes part of the bucket's name"):
        stock_names("123456789012", prefix)


def test_no_prefix_is_tagged_like_the_environment_without_one() -> None:
    assert stock_names("123456789012").environment == "default"
    with pytest.raises(ValueError, match="environment without a prefix"):
        stock_names("123456789012", "default")
