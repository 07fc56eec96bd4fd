"""Times: written, read back, and waited for."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.clock import Clock, from_epoch_ms, iso_utc, to_epoch_ms

NOON = datetime(2026, 1, 5, 14, 30, 0, 250_999, tzinfo=UTC)


@given(st.integers(0, 253_402_214_400_000))
def test_milliseconds_survive_the_way_to_text_and_back(epoch_ms: int) -> None:
    moment = from_epoch_ms(epoch_ms)
    assert moment == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=epoch_ms)
    assert to_epoch_ms(moment) == epoch_ms
    assert to_epoch_ms(datetime.fromisoformat(iso_utc(moment))) == epoch_ms


@pytest.mark.parametrize(
    ("moment", "milliseconds"),
    [(NOON, 1_767_623_400_250), (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1)],
)
def test_milliseconds_are_rounded_down(moment: datetime, milliseconds: int) -> None:
    assert to_epoch_ms(moment) == milliseconds


def test_a_time_is_written_in_utc() -> None:
    assert iso_utc(NOON.astimezone(timezone(timedelta(hours=1)))) == "2026-01-05T14:30:00.250Z"


def test_a_clock_says_its_time_in_milliseconds() -> None:
    assert Clock(now=lambda: NOON).now_ms() == 1_767_623_400_250


@pytest.mark.parametrize("seconds", [-1, 0, 1e300])
def test_a_wait_ends_at_once_when_its_event_is_set(seconds: float) -> None:
    stop = threading.Event()
    stop.set()

    Clock().wait(stop, seconds)


@pytest.mark.parametrize("seconds", [-1, 0])
def test_a_wait_of_no_time_ends_by_itself(seconds: float) -> None:
    Clock().wait(threading.Event(), seconds)
