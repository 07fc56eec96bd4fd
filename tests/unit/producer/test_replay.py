import errno
import gzip
import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.contract import CONTRACT, Tick
from producer.replay import Replay, ReplayError, find
from runtime.fields import text
from tests.support.environments import STOCKS
from tests.unit.runtime.readings import READINGS, Reading

HEADER = "timestamp,symbol,price,volume\n"
SHIPPED: Any = find("daily-closes", STOCKS)
GOOD = "2026-01-05T14:30:00Z,TSLA,1200.5,100\n"


def write(tmp_path: Path, content: str | bytes, name: str = "ticks.csv") -> Any:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Replay(path, CONTRACT)


def test_the_shipped_data_set_is_complete() -> None:
    ticks = list(SHIPPED.records())
    assert Counter(tick.symbol for tick in ticks) == {"AAPL": 3270, "FB": 196, "GOOG": 2148, "IBM": 3270, "MSFT": 3270}
    assert len({tick.tick_id for tick in ticks}) == 12_154
    assert sum(tick.price >= 700 for tick in ticks) == 96
    assert max(tick.price for tick in ticks) == 806.85


def test_every_tick_obeys_the_data_contract() -> None:
    for tick in SHIPPED.records():
        assert CONTRACT.parse(CONTRACT.encode(tick), message_id="", sent_timestamp_ms=0) == tick


def test_plain_and_gzipped_files_give_the_same_ticks(tmp_path: Path) -> None:
    """What the file begins with decides, not its name."""
    plain = write(tmp_path, HEADER + GOOD, "a.csv.gz")
    zipped = write(tmp_path, gzip.compress((HEADER + GOOD).encode()), "b.csv")
    assert list(plain.records()) == list(zipped.records()) != []


def test_columns_may_come_in_any_order_with_others_between(tmp_path: Path) -> None:
    replay = write(tmp_path, "\ufeffVolume,note,symbol,timestamp,price\r\n5,x,TSLA,2026-01-05T14:30:00Z,7\r\n")
    (tick,) = replay.records()
    assert (tick.symbol, tick.price, tick.volume) == ("TSLA", 7.0, 5)


@dataclass(frozen=True, slots=True)
class Row(Reading):
    """A reading with a longer id."""

    reading_id: str = text(r"[a-z0-9-]{1,64}", "is not an id", meaning="unique", expected="an id")


def test_the_columns_are_those_of_the_contract_and_optional_ones_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    path.write_text(
        "site,sensor,celsius,counter,humidity,timestamp\n"
        "lyon,roof-2,-4.5,7,,2026-01-05T14:30:00Z\n"
        "lyon,roof-2,-4.5,7,40,2026-01-05T14:30:00Z\n"
    )
    replay: Any = Replay(path, replace(READINGS, record=Row))
    assert [(one.group, one.celsius, one.counter, one.humidity) for one in replay.records()] == [
        ("lyon/roof-2", -4.5, 7, None),
        ("lyon/roof-2", -4.5, 7, 40.0),
    ]
    path.write_text("site,sensor,celsius,counter,timestamp\nlyon,roof-2,-4.5,x,2026-01-05T14:30:00Z\n")
    with pytest.raises(ReplayError, match=r"line 2: column 4 \(counter\) is 'x'; expected a whole number"):
        list(replay.records())
    path.write_text("site,sensor,celsius,timestamp\n")
    with pytest.raises(ReplayError, match=r"no column counter; expected .* timestamp,site,sensor,celsius,counter"):
        list(replay.records())


def test_a_contract_that_refuses_the_ids_of_a_replay_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    path.write_text("site,sensor,celsius,counter,timestamp\nlyon,roof-2,1,7,2026-01-05T14:30:00Z\n")
    with pytest.raises(ReplayError, match=r"readings.csv, line 2: reading_id 'r0000002-[0-9a-f]+' is not an id"):
        list(Replay(path, READINGS).records())


def test_equal_rows_are_different_ticks(tmp_path: Path) -> None:
    assert len({tick.tick_id for tick in write(tmp_path, HEADER + GOOD * 3).records()}) == 3


def test_mending_a_line_keeps_the_ids_of_the_lines_before_it(tmp_path: Path) -> None:
    before = write(tmp_path, HEADER + GOOD + GOOD + "nonsense\n" + GOOD)
    seen: list[Tick] = []
    with pytest.raises(ReplayError):
        seen.extend(before.records())  # list.extend keeps what came before the error
    after = list(write(tmp_path, HEADER + GOOD + GOOD + GOOD + GOOD).records())
    assert [tick.tick_id for tick in after][:2] == [tick.tick_id for tick in seen]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("yesterday,TSLA,1,1", "line 3: column 1 (timestamp) is 'yesterday'"),
        ("2026-01-05T14:30:00,TSLA,1,1", "expected ISO 8601 with an offset, such as 2026-01-05T14:30:00.250Z"),
        ("2026-02-30T14:30:00Z,TSLA,1,1", "line 3: column 1 (timestamp)"),
        ("2026-01-05T14:30:00Z,tsla,1,1", "line 3: column 2 (symbol) is 'tsla'"),
        ("2026-01-05T14:30:00Z,,1,1", "line 3: column 2 (symbol) is ''"),
        ("2026-01-05T14:30:00Z,TSLA,abc,1", "line 3: column 3 (price) is 'abc'; expected a number above 0"),
        ("2026-01-05T14:30:00Z,TSLA,nan,1", "line 3: column 3 (price) is 'nan'; expected a number above 0"),
        ("2026-01-05T14:30:00Z,TSLA,1_0,1", "line 3: column 3 (price) is '1_0'"),
        ("2026-01-05T14:30:00Z,TSLA,-1,1", "line 3: column 3 (price) is '-1'"),
        ("2026-01-05T14:30:00Z,TSLA,0,1", "line 3: column 3 (price) is '0'"),
        ("2026-01-05T14:30:00Z,TSLA,1e999,1", "line 3: column 3 (price) is '1e999'"),
        ("2026-01-05T14:30:00Z,TSLA,1,1.5", "line 3: column 4 (volume) is '1.5'; expected a whole number"),
        ("2026-01-05T14:30:00Z,TSLA,1,-1", "line 3: column 4 (volume) is '-1'"),
        ("2026-01-05T14:30:00Z,TSLA,1,2147483648", "line 3: column 4 (volume) is '2147483648'"),
        ("2026-01-05T14:30:00Z,TSLA,1", "line 3: column 4 (volume) is missing: 3 fields, expected 4"),
        ("2026-01-05T14:30:00Z,TSLA,1,1,1", "line 3: 5 fields, expected 4"),
        ('2026-01-05T14:30:00Z,"TSLA,1,1', "line 3: not CSV"),
    ],
)
def test_a_bad_row_names_line_and_column_after_the_rows_before_it(tmp_path: Path, row: str, message: str) -> None:
    replay = write(tmp_path, HEADER + GOOD + row + "\n" + GOOD)
    ticks: list[Tick] = []
    with pytest.raises(ReplayError) as error:
        ticks.extend(replay.records())
    assert str(error.value).startswith("ticks.csv, line 3: ")
    assert message in str(error.value)
    assert len(ticks) == 1


def test_the_line_is_counted_over_empty_and_quoted_lines(tmp_path: Path) -> None:
    quoted = '"2026-01-05T14:30:00Z","TSLA","1","1"\n'
    with pytest.raises(ReplayError, match="line 5: column 3"):
        list(write(tmp_path, HEADER + quoted + "\n" + GOOD + "2026-01-05T14:30:00Z,TSLA,x,1\n").records())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"line 1: the file is empty; expected a header with the columns timestamp,symbol,price,volume"),
        (b"timestamp,symbol,price\n", r"line 1: there is no column volume"),
        (b"timestamp,symbol,price,price,volume\n", r"line 1: there is more than one column price"),
        ((HEADER + GOOD).encode() + b"\xff\n", r"not UTF-8"),
        (gzip.compress((HEADER + GOOD * 1000).encode())[:-20], r"the gzip data is damaged or cut off"),
        (b"\x1f\x8bnonsense", r"line 1: the gzip data is damaged or cut off"),
    ],
)
def test_a_file_that_is_no_table_says_so(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ReplayError, match=message):
        list(write(tmp_path, content).records())


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ReplayError, match=r"there is no file none\.csv to replay; shipped data sets: daily-closes"):
        find("none.csv", STOCKS)


def test_the_number_of_ticks_is_estimated_for_the_progress_bar(tmp_path: Path) -> None:
    assert SHIPPED.estimate() == 12_154
    assert write(tmp_path, "").estimate() == 0
    assert write(tmp_path, gzip.compress(b"x" * 100)[:-9]).estimate() is None


def test_a_long_file_is_streamed(tmp_path: Path) -> None:
    """The first tick comes although the end of the file is bad: nothing reads ahead to it."""
    replay = write(tmp_path, HEADER + GOOD * 100_000 + "bad\n")
    assert next(iter(replay.records())).symbol == "TSLA"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((HEADER + GOOD).encode("utf-16"), r"not UTF-8"),
        (HEADER.encode() + b"2026-01-05T14:30:00Z,T\0SLA,1,1\n", r"line 2: (column 2 \(symbol\) is|not CSV)"),
        (HEADER.encode() + b"\0" * 1000, r"line 2: (1 fields|column 2|not CSV)"),
        (HEADER.encode() + GOOD.encode().replace(b"TSLA", b"T" * 200_000), r"line 2: not CSV: field larger than"),
        (HEADER.encode() + b'"' + b"\n" * 200_000, r"line 2: not CSV: field larger than"),
        (HEADER.encode() + b"1," * 60_000_000, r"line 2: it is longer than 1048576 characters"),
        (gzip.compress(HEADER.encode() + b"1" * 100_000_000), r"line 2: it is longer than 1048576 characters"),
        (HEADER.encode() + GOOD.encode().replace(b"1200.5", b"1e99999"), r"line 2: column 3 \(price\) is '1e99999'"),
        (HEADER.encode() + GOOD.encode().replace(b"1200.5", b"9" * 400), r"line 2: column 3 \(price\) is '9999"),
        (HEADER.encode() + GOOD.encode().replace(b"1200.5", b"1e-400"), r"line 2: column 3 \(price\) is '1e-400'"),
        (HEADER.encode() + GOOD.encode().replace(b"100", b"1" * 5000), r"line 2: column 4 \(volume\) is '111"),
    ],
    ids=range(11),
)
def test_a_hostile_file_is_one_clear_line(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ReplayError, match=message) as error:
        list(write(tmp_path, content).records())
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


def test_what_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ReplayError, match="can't be replayed: it is not a regular file"):
            find(str(path), STOCKS)
    with pytest.raises(ReplayError, match="can't be read: File name too long"):
        find("x" * 300, STOCKS)


def test_an_unreadable_file_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = write(tmp_path, HEADER + GOOD)

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)  # root may read everything
    assert replay.estimate() is None
    with pytest.raises(ReplayError, match=r"ticks\.csv can't be read: Permission denied"):
        list(replay.records())
