"""Records in a bucket, as the Lambda function writes them: from the real data set, or made for a case."""

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime

from pipeline.contract import CONTRACT, Tick
from runtime.clock import from_epoch_ms, iso_utc, to_epoch_ms
from tests.support.environments import STOCKS

DAILY_CLOSES = STOCKS.folder / "data" / "daily-closes-2000-2013.csv.gz"


def record(tick: Tick, *, latency_ms: int = 25, alert: bool = False) -> bytes:
    """The stored object of a tick, processed `latency_ms` after it was sent, which was at its event time."""
    processed_at = from_epoch_ms(tick.epoch_ms + latency_ms)
    return CONTRACT.encode_stored(
        tick, sent_timestamp_ms=tick.epoch_ms, processed_at=processed_at, alert=alert
    ).encode()


def made_tick(
    number: int, symbol: str = "TSLA", *, start: str = "2026-01-05T14:30:00+00:00", step_ms: int = 250
) -> Tick:
    """The `number`th tick of a symbol: a price and a volume that follow from it, one every `step_ms`."""
    moment = from_epoch_ms(to_epoch_ms(datetime.fromisoformat(start)) + number * step_ms)
    return Tick(f"{symbol}-{number}", symbol, 1000 + number % 37 + 0.25, 100 + number % 1000 * 80, iso_utc(moment))


def daily_closes() -> Iterator[Tick]:
    """The 12,154 real daily closes, sorted by time."""
    with gzip.open(DAILY_CLOSES, "rt", encoding="utf-8") as lines:
        for number, row in enumerate(csv.DictReader(lines)):
            yield Tick(f"close-{number}", row["symbol"], float(row["price"]), int(row["volume"]), row["timestamp"])


def key_of(tick: Tick) -> str:
    """The key of a tick's object."""
    return CONTRACT.key(tick)
