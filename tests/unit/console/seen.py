"""Stored ticks as the console has read them."""

from console.series import Seen
from pipeline.contract import Tick
from runtime.clock import from_epoch_ms, iso_utc
from runtime.contract import Stored


def seen(
    epoch_ms: int,
    *,
    tick_id: str = "",
    symbol: str = "TSLA",
    price: float = 100.0,
    processed_ms: int | None = None,
    latency_ms: int = 5,
    alert: bool = False,
) -> Seen:
    tick = Tick(tick_id or f"t-{epoch_ms}", symbol, price, 1, iso_utc(from_epoch_ms(epoch_ms)))
    processed = epoch_ms if processed_ms is None else processed_ms
    return Seen(Stored(tick, processed, latency_ms, alert=alert), f"k-{epoch_ms}", price)
