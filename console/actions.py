"""The three things the page can do besides looking: send a tick, redrive dead letters, run a named query."""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.tick import Tick, encode, iso_utc, parse, to_epoch_ms

from profiles.environment import Environment, queue_url


@dataclass(frozen=True)
class Accepted:
    """A tick that SQS has accepted."""

    tick: Tick
    message_id: str


def make_tick(symbol: str, price: float | None, volume: float | None) -> Tick:
    """A tick of now from what was typed. Raises `InvalidTickError` with what the data contract says about it."""
    now = datetime.now(UTC)
    whole = int(volume) if volume is not None and volume == int(volume) else volume
    body = json.dumps(
        {
            "tick_id": f"console-{uuid.uuid4().hex}",
            "symbol": symbol.strip().upper(),
            "price": price,
            "volume": whole,
            "timestamp": iso_utc(now),
        }
    )
    return parse(body, message_id="", sent_timestamp_ms=to_epoch_ms(now))


def send_tick(environment: Environment, tick: Tick) -> Accepted:
    """Send it to the tick queue, as the producer does."""
    answer = environment.aws.sqs.send_message(
        QueueUrl=queue_url(environment, environment.names.queue), MessageBody=encode(tick)
    )
    return Accepted(tick, answer["MessageId"])
