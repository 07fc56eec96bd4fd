"""Whatever the producer is asked to send, its ids obey the data contract, and its runs have names for files."""

import os
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.replay import Replay, columns
from producer.source import MAX_RATE, MAX_SEED, MIN_RATE, MIN_SEED, simulate
from profiles.errors import CannotRunError
from runtime.fields import values_of
from tests.support.environments import STOCKS

MAX_NAME = 255 - len("20260105T143000000000-.jsonl")
file_names = st.binary(min_size=1, max_size=255).filter(
    lambda name: not set(name) & {0, 47} and name not in (b".", b"..")
)


def check_name(run: str) -> None:
    assert run.isascii()
    assert "/" not in run
    assert len(run) <= MAX_NAME


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(MIN_SEED, MAX_SEED) | st.sampled_from([MIN_SEED, MAX_SEED]),
    start=st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)),
    symbols=st.lists(st.from_regex(r"[A-Z][A-Z0-9.-]{0,9}", fullmatch=True), min_size=1, max_size=3, unique=True),
    rate=st.floats(MIN_RATE, MAX_RATE),
)
def test_every_market_has_valid_ids(seed: int, start: datetime, symbols: list[str], rate: float) -> None:
    market = simulate(STOCKS, seed=seed, start=start, groups=symbols, rate=rate)
    check_name(market.run)
    for tick in islice(market.records(), 3):
        assert STOCKS.contract.parse(STOCKS.contract.encode(tick), message_id="", sent_timestamp_ms=0) == tick


def test_ids_stay_valid_longer_than_any_run() -> None:
    market = simulate(STOCKS, seed=MIN_SEED, start=datetime(2026, 1, 5, tzinfo=UTC))
    (tick,) = islice(market.records(), 1)
    last = tick.id.removesuffix("0000000") + str(10**18)
    assert STOCKS.contract.make({**values_of(tick), "tick_id": last}).tick_id == last


@pytest.mark.parametrize("seed", [MIN_SEED - 1, MAX_SEED + 1, int("7" * 50)])
def test_a_seed_that_would_make_too_long_ids_is_refused(seed: int) -> None:
    with pytest.raises(CannotRunError, match=f"--seed is out of range: expected a whole number from {MIN_SEED} to"):
        simulate(STOCKS, seed=seed, start=datetime(2026, 1, 5, tzinfo=UTC))


@settings(max_examples=60, deadline=None)
@given(name=file_names, symbol=st.from_regex(r"[A-Z][A-Z0-9.-]{0,9}", fullmatch=True), lines=st.integers(0, 3))
def test_every_file_has_valid_ids(name: bytes, symbol: str, lines: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / os.fsdecode(name)
        header = ",".join(column.name for column in columns(STOCKS.contract))
        path.write_text(f"{header}\n" + "\n" * lines + f"2026-01-05T14:30:00Z,{symbol},1,1\n")
        replay = Replay(path, STOCKS.contract)
        check_name(replay.run)
        (tick,) = replay.records()
        assert STOCKS.contract.parse(STOCKS.contract.encode(tick), message_id="", sent_timestamp_ms=0) == tick
