"""How times and values are shown."""

from dataclasses import dataclass

import pytest

from operations.display import age, as_document, clock_time, timestamp
from pipeline.contract import CONTRACT
from runtime.fields import Record
from tests.support.reconciled_world import TICKS

AT = 1767623400250


def test_times_are_in_utc_with_milliseconds() -> None:
    assert (timestamp(AT), clock_time(AT)) == ("2026-01-05T14:30:00.250Z", "14:30:00.250")


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(-5, "0 s"), (59_999, "59 s"), (60_000, "1 min"), (3_600_000, "1 h"), (200_000_000, "2 d")],
)
def test_an_age_has_one_unit(milliseconds: int, shown: str) -> None:
    assert age(milliseconds) == shown


@dataclass(frozen=True)
class Shown:
    record_id: str
    record: Record
    is_valid: bool
    hops: tuple[int, ...] = (1, 2)


def test_a_documents_fields_are_named_after_the_contract() -> None:
    document = as_document(CONTRACT, Shown("t-1", TICKS[0], True))
    assert list(document) == ["tick_id", "tick", "is_valid_tick", "hops"]
    assert document["tick"]["tick_id"] == TICKS[0].tick_id
    assert document["hops"] == [1, 2]
