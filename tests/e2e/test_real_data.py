"""The whole flow on real data: every row stored once, with its own values, and every breach alerted.

The same test runs on both engines. Expected values are those of the published data set, computed by nobody here
(docs/history.md says where they come from); for its first rows they are computed from the file itself.
"""

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Any

import pytest

import bootstrap
from operations.alerts import peek_inbox
from operations.reconcile import reconcile
from producer.production import Production, replayed
from producer.replay import find
from profiles.session import Aws
from tests.support.environments import STOCKS, at, stock_names, stock_settings

DATA = Path(__file__).parents[2] / "pipeline" / "data" / "daily-closes-2000-2013.csv.gz"


@dataclass(frozen=True)
class Expected:
    """What must be found: rows and average price per symbol, and the rows at or above `threshold`."""

    rows: dict[str, int]
    averages: dict[str, float]
    threshold: float
    breaches: int


WHOLE_DATA_SET = Expected(
    rows={"AAPL": 3270, "FB": 196, "GOOG": 2148, "IBM": 3270, "MSFT": 3270},
    averages={"AAPL": 151.108241, "FB": 25.626072, "GOOG": 475.479129, "IBM": 114.067641, "MSFT": 34.800298},
    threshold=700,
    breaches=96,
)


def expected_of_first(count: int, threshold: float) -> Expected:
    """The same figures for the first rows of the file, straight from it."""
    prices = defaultdict(list)
    with gzip.open(DATA, "rt") as file:
        for _, row in zip(range(count), csv.DictReader(file), strict=False):
            prices[row["symbol"]].append(float(row["price"]))
    return Expected(
        rows={symbol: len(values) for symbol, values in prices.items()},
        averages={symbol: fsum(values) / len(values) for symbol, values in prices.items()},
        threshold=threshold,
        breaches=sum(price >= threshold for values in prices.values() for price in values),
    )


@pytest.mark.localstack
def test_two_thousand_rows_on_localstack(localstack: Any, tmp_path: Path) -> None:
    replay_and_check(localstack.aws, "real", 2000, expected_of_first(2000, threshold=130), tmp_path)


@pytest.mark.ministack
def test_all_rows_on_ministack(ministack: Any, tmp_path: Path) -> None:
    replay_and_check(ministack.aws, "real", None, WHOLE_DATA_SET, tmp_path)


def replay_and_check(aws: Aws, prefix: str, count: int | None, expected: Expected, folder: Path) -> None:
    # given an environment of its own
    environment = at(aws, stock_names(aws.account, prefix))
    settings = stock_settings(alert_threshold=expected.threshold)
    bootstrap.up(environment, settings)

    # when the data is replayed as fast as it goes
    source = replayed(find(str(DATA), STOCKS), count=count)
    production = Production(environment, source, manifest=folder / "manifest.jsonl")
    summary = production.run()
    proof = reconcile(environment, [summary.manifest], wait_seconds=280)

    # then every row is one record with its values, and every breach one alert
    assert proof.line.startswith(
        f"reconciled: {sum(expected.rows.values())} produced = {sum(expected.rows.values())} stored + 0 dead-lettered; "
        f"missing 0, duplicated 0, altered 0, alerts {expected.breaches}; content of "
    )
    prices = defaultdict(list)
    for record in stored_records(aws, environment.names.bucket):
        prices[record["symbol"]].append(record["price"])
        assert record["alert"] == (record["price"] >= expected.threshold)
    assert {symbol: len(values) for symbol, values in prices.items()} == expected.rows
    for symbol, average in expected.averages.items():
        assert fsum(prices[symbol]) / len(prices[symbol]) == pytest.approx(average, abs=5e-7)
    alerts = peek_inbox(environment, limit=1000)
    assert len({alert.record_id for alert in alerts}) == expected.breaches
    bootstrap.down(environment, settings)


def stored_records(aws: Aws, bucket: str) -> Iterator[dict[str, Any]]:
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="processed/")
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    with ThreadPoolExecutor(16) as pool:
        for body in pool.map(lambda key: aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read(), keys):
            yield json.loads(body)
