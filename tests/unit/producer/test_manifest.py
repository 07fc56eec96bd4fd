import errno
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline.contract import CONTRACT, Tick
from producer.manifest import (
    ManifestWriter,
    NotWrittenError,
    Sent,
    all_paths,
    earlier_paths,
    find,
    folder,
    latest_path,
    new_path,
    read,
    sent_ids,
)
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.session import Profile
from tests.support.environments import at, stock_names

NAMES = stock_names("000000000000")


def sent(number: int) -> Sent:
    return Sent(Tick(f"t{number}", "TSLA", 1200.5, 100, "2026-01-05T14:30:00.250Z"), f"m{number}")


def write(path: Path, *numbers: int, resume: bool = False) -> None:
    with ManifestWriter(path, resume=resume) as writer:
        writer.append([sent(number) for number in numbers])


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", str(tmp_path / "state"))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.jsonl"
    write(path, 1, 2)
    assert list(read(path, CONTRACT)) == [sent(1), sent(2)]
    assert path.read_text().splitlines()[0] == (
        '{"tick_id":"t1","symbol":"TSLA","price":1200.5,"volume":100,"timestamp":"2026-01-05T14:30:00.250Z",'
        '"message_id":"m1"}'
    )


def test_lines_are_with_the_system_before_append_returns(tmp_path: Path) -> None:
    """A kill -9 after that loses nothing: the file is complete though the writer was never closed."""
    writer = ManifestWriter(tmp_path / "m.jsonl")
    writer.append([sent(1)])
    assert sent_ids(writer.path, CONTRACT) == {"t1"}
    writer.close()


def test_a_torn_last_line_counts_as_not_written_wherever_it_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, 1, 2)
    whole = path.read_bytes()
    first_line = whole.index(b"\n") + 1
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert [s.message_id for s in read(path, CONTRACT)] == (["m1"] if length >= first_line else [])


def test_resuming_cuts_the_torn_line_off_and_appends(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, 1, 2)
    path.write_bytes(path.read_bytes()[:-5])
    write(path, 3, resume=True)
    assert [s.message_id for s in read(path, CONTRACT)] == ["m1", "m3"]


def test_a_torn_line_longer_than_a_block_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, 1)
    with path.open("ab") as stream:
        stream.write(b"x" * 200_000)
    write(path, 2, resume=True)
    assert [s.message_id for s in read(path, CONTRACT)] == ["m1", "m2"]


def test_a_new_run_never_overwrites_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, 1)
    with pytest.raises(CannotRunError, match=r"exists: continue it with --resume"):
        ManifestWriter(path)
    assert sent_ids(path, CONTRACT) == {"t1"}


def test_a_manifest_is_made_with_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with ManifestWriter(path) as writer:
        writer.append([])
        assert not path.exists()
        writer.append([sent(1)])
        writer.append([sent(2)])
    assert sent_ids(path, CONTRACT) == {"t1", "t2"}


@pytest.mark.parametrize("place", ["in a file", "not writable"])
def test_a_manifest_that_cannot_be_made_is_refused_before_anything_is_sent(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    if place == "in a file":
        folder.touch()
    else:
        monkeypatch.setattr("os.access", lambda *_: False)  # as on a read-only file system; root may write anywhere
    with pytest.raises(CannotRunError, match="can't be written: "):
        ManifestWriter(folder / "m.jsonl")


def test_two_runs_that_begin_at_once_never_share_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    first, second = ManifestWriter(path), ManifestWriter(path)
    first.append([sent(1)])
    with pytest.raises(CannotRunError, match=r"exists: continue it with --resume"):
        second.append([sent(2)])
    first.close()
    assert sent_ids(path, CONTRACT) == {"t1"}


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with ManifestWriter(path) as writer, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda start: writer.append([sent(start * 10 + i) for i in range(10)]), range(50)))
    assert sent_ids(path, CONTRACT) == {f"t{number}" for number in range(500)}


def test_another_file_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, 1)
    with path.open("a") as stream:
        stream.write("timestamp,symbol\n")
    with pytest.raises(CannotRunError, match=r"m\.jsonl, line 2 is not a line of a manifest"):
        list(read(path, CONTRACT))


def test_a_missing_manifest_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match="can't be read: No such file"):
        list(read(tmp_path / "none.jsonl", CONTRACT))


class Place:
    """An endpoint as far as manifests look at it: its profile, and when its queue was made."""

    def __init__(self, endpoint_url: str | None = "http://localhost:4566", created: Any = "1767623400") -> None:
        self.profile = Profile("local", endpoint_url)
        self.created = created
        self.sqs: Any = self

    def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        return {"QueueUrl": f"http://localhost/{QueueName}"}

    def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        return {"Attributes": {} if self.created is None else {"CreatedTimestamp": self.created}}


def here(*options: Any, names: Names = NAMES) -> Environment:
    place: Any = Place(*options)
    return at(place, names)


def test_manifests_are_found_by_environment_and_run() -> None:
    other = stock_names("000000000000", "alice")
    older, newer, elsewhere = (
        new_path(here(), "sim1-aa"),
        new_path(here(), "sim2-bb"),
        new_path(here(names=other), "sim1-aa"),
    )
    for age, path in enumerate([newer, older, elsewhere]):
        write(path, 1)
        os.utime(path, (1000 + age, 1000 + age))
    assert folder(here("http://localhost:4566", "1767623400.75", names=other)).parts[-2:] == (
        "localhost-4566-000000000000-alice-StockQueue",
        "20260105T143000Z",
    )
    assert all_paths(here()) == [newer, older], "the one written last is the last one, whatever its name"
    assert latest_path(here()) == older
    assert latest_path(here(), "sim2-bb") == newer
    assert latest_path(here(), "sim2") is None
    assert latest_path(here(names=other), "sim1-aa") == elsewhere


@pytest.mark.parametrize(
    ("endpoint_url", "place"),
    [
        ("http://localhost:4566", "localhost-4566"),
        ("http://127.0.0.1:4566/", "localhost-4566"),
        ("http://[::1]:4566", "localhost-4566"),
        ("http://localstack:4566", "localstack-4566"),
        ("https://emulator.example", "emulator.example"),
        ("http://[fe80::1]:4566", "fe80--1-4566"),
        (None, "aws"),
    ],
)
def test_each_endpoint_has_manifests_of_its_own(endpoint_url: str | None, place: str) -> None:
    assert folder(here(endpoint_url)).parent.name == f"{place}-000000000000-StockQueue"


def test_a_run_on_another_emulator_is_not_the_latest_here() -> None:
    write(new_path(here("http://localhost:4567"), "sim1-aa"), 1)
    assert latest_path(here()) is None


def test_a_run_on_an_earlier_environment_is_not_the_latest_here() -> None:
    # given a manifest of an environment, and one that an older version left a folder above
    earlier = new_path(here(), "sim1-aa")
    write(earlier, 1)
    oldest = folder(here()).parent / "20250101T000000000000-sim1-aa.jsonl"
    write(oldest, 1)
    os.utime(oldest, (1000, 1000))

    # when the environment is made anew, and so its queue
    anew = here("http://localhost:4566", "1767623401")

    # then they are of earlier environments
    assert all_paths(anew) == []
    assert latest_path(anew, "sim1-aa") is None
    assert earlier_paths(anew) == [oldest, earlier]
    assert earlier_paths(here()) == [oldest]


@pytest.mark.parametrize("created", [None, "", "today", "9" * 30])
def test_a_queue_that_does_not_say_when_it_was_made_is_one_clear_line(created: str | None) -> None:
    with pytest.raises(CannotRunError, match="has no CreatedTimestamp"):
        folder(here(None, created))


def test_manifests_are_private() -> None:
    path = new_path(here(), "sim1-aa")
    write(path, 1)
    assert oct(path.parent.stat().st_mode & 0o777) == "0o700"
    assert oct(path.stat().st_mode & 0o777) == "0o600"


def test_one_run_at_a_time_writes_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with ManifestWriter(path) as first:
        first.append([sent(1)])
        torn = path.open("ab")
        torn.write(b"half a line, as the other run's last write might be at this moment")
        torn.flush()
        with pytest.raises(CannotRunError, match=r"another run writes the manifest .*m\.jsonl: stop it, or wait"):
            ManifestWriter(path, resume=True)
        assert path.read_bytes().endswith(b"moment"), "nothing was cut"
        torn.truncate(path.read_bytes().index(b"\n") + 1)
        torn.close()
    write(path, 2, resume=True)
    assert sent_ids(path, CONTRACT) == {"t1", "t2"}


class SmallDisk:
    """Stands in for `io`: its files have room for so many bytes in all."""

    def __init__(self, room: int, *, cuts: bool = True) -> None:
        disk = self
        self.room = room

        class FileIO(io.FileIO):
            def write(self, data: Any) -> int:
                if not disk.room:
                    raise OSError(errno.ENOSPC, "No space left on device")
                written = super().write(data[: disk.room])
                disk.room -= written
                return written

            def truncate(self, size: int | None = None) -> int:
                if not cuts:
                    raise OSError(errno.EIO, "Input/output error")
                return super().truncate(size)

        self.FileIO = FileIO


@pytest.mark.parametrize("room", range(0, 400, 7))
def test_a_full_disk_tears_no_line(tmp_path: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a disk that becomes full anywhere in three lines
    disk = SmallDisk(room)
    monkeypatch.setattr("producer.manifest.io", disk)
    writer = ManifestWriter(tmp_path / "m.jsonl")

    # when they are written
    line = len(
        '{"tick_id":"t1","symbol":"TSLA","price":1200.5,"volume":100,"timestamp":"2026-01-05T14:30:00.250Z",'
    ) + len('"message_id":"m1"}\n')
    with pytest.raises(NotWrittenError, match="can't be written: No space left on device") as error:
        writer.append([sent(number) for number in range(1, 5)])

    # then whole lines are there, as many as it says
    assert error.value.written == room // line
    assert writer.path.read_bytes().count(b"\n") * line == writer.path.stat().st_size
    assert sent_ids(writer.path, CONTRACT) == {f"t{number}" for number in range(1, 1 + room // line)}

    # and once there is room, other lines follow whole ones
    disk.room = 10_000
    writer.append([sent(9)])
    writer.close()
    assert sent_ids(writer.path, CONTRACT) == {*(f"t{number}" for number in range(1, 1 + room // line)), "t9"}


def test_after_a_torn_line_that_cannot_be_cut_off_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SmallDisk(150, cuts=False)
    monkeypatch.setattr("producer.manifest.io", disk)
    writer = ManifestWriter(tmp_path / "m.jsonl")
    with pytest.raises(NotWrittenError):
        writer.append([sent(1), sent(2)])
    disk.room = 10_000
    with pytest.raises(NotWrittenError, match="it is closed"):
        writer.append([sent(3)])
    assert sent_ids(writer.path, CONTRACT) == {"t1"}, "a torn last line counts as not written"


LINE = b'{"tick_id":"t1","symbol":"TSLA","price":1,"volume":1,"timestamp":"2026-01-05T14:30:00Z","message_id":"m1"}\n'


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace(b'"t1"', b'"\\ud800"'),
        LINE.replace(b'"m1"', b'"\\ud800"'),
        LINE.replace(b'"m1"', b'"a\\u0000b"'),
        LINE.replace(b'"m1"', b"7"),
        LINE.replace(b',"message_id":"m1"', b""),
        LINE.replace(b"TSLA", b"T\0SLA"),
        LINE.replace(b'"price":1', b'"price":"1"'),
        LINE.replace(b'"price":1', b'"price":' + b"9" * 4000),
        LINE.replace(b'"price":1', b'"price":1e999'),
        LINE.replace(b"2026", b"1926"),
        b"\xff\xfe\n",
        b"\0\0\0\n",
        b"[" * 5000 + b"\n",
        b"x" * 100_000_000 + b"\n",
        b"x" * 100_000,
        b"null\n",
    ],
    ids=range(16),
)
def test_a_hostile_line_is_one_clear_line(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(LINE + line)
    with pytest.raises(CannotRunError, match=r"m\.jsonl, line 2 is not a line of a manifest") as error:
        list(read(path, CONTRACT))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    str(error.value).encode()  # no lone surrogate: it can be printed on any terminal


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_not_a_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "m.jsonl"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = Path("/dev/full")
    for use in (
        lambda: list(read(path, CONTRACT)),
        lambda: find(path, CONTRACT, "t1"),
        lambda: ManifestWriter(path, resume=True),
    ):
        with pytest.raises(CannotRunError, match="is not a regular file"):
            use()


def test_an_unreadable_manifest_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.jsonl"
    write(path, 1)

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)  # root may read everything
    with pytest.raises(CannotRunError, match=r"m\.jsonl can't be read: Permission denied"):
        list(read(path, CONTRACT))


def test_a_name_that_is_too_long_is_one_clear_line() -> None:
    for use in (lambda path: read(path, CONTRACT), lambda path: iter([ManifestWriter(path)])):
        with pytest.raises(CannotRunError, match="File name too long"):
            list(use(Path("m" * 300)))
