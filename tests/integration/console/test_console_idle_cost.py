"""What an open page costs while nothing happens, counted on a real endpoint."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import bootstrap
from console.calls import WINDOW_SECONDS, CallCounter
from console.model import Sources
from console.refresher import QUIET_AFTER_SECONDS, QUIET_SECONDS, Refresher
from profiles.session import open_endpoint
from runtime.clock import Clock
from tests.support.coroutines import run
from tests.support.environments import at, stock_names, stock_settings

SERVICES = ("sqs", "s3", "lambda", "logs", "cloudwatch")
# docs/console.md promises this.
MOST_CALLS_PER_HOUR = 2_500
MOST_DOLLARS_PER_HOUR = 0.005


class Time:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.started = datetime.now(UTC)

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.started + timedelta(seconds=self.seconds)


def test_an_idle_page_stays_below_the_documented_cost(ministack: Any) -> None:
    # given an environment in which nothing happens, and a page that is looked at
    aws = open_endpoint(ministack.endpoint_url)
    environment = at(aws, stock_names(aws.account, f"idle-{uuid.uuid4().hex[:8]}"))
    bootstrap.up(environment, stock_settings())
    time = Time()
    counter = CallCounter(time.monotonic)
    counter.watch(aws, *SERVICES)
    refresher = Refresher(Sources(environment, Clock(time.now, time.monotonic)), interval=2.0)
    refresher.see("tab", visible=True)

    # when it has become quiet and some minutes pass
    async def look() -> None:
        while time.seconds < QUIET_AFTER_SECONDS + QUIET_SECONDS + WINDOW_SECONDS:
            await refresher.refresh()
            time.seconds += refresher.pace() or 0

    run(look())

    # then the pace, scaled to an hour, is what the documentation says
    assert refresher.model.trouble is None
    spending = counter.spending()
    assert 500 < spending.calls_per_hour <= MOST_CALLS_PER_HOUR, spending
    assert 0 < spending.dollars_per_hour <= MOST_DOLLARS_PER_HOUR, spending
    print(f"{spending.calls_per_hour:,.0f} calls/h, ${spending.dollars_per_hour:.4f}/h", spending.by_operation)  # noqa: T201

    # and nothing at all once the tab is gone
    refresher.lose("tab")
    assert refresher.pace() is None
