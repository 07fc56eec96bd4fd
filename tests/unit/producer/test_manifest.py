import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.tick import Tick
from producer.manifest import ManifestWriter, Sent, all_paths, folder, latest_path, new_path, read, sent_ids
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.session import Profile

NAMES = Names("000000000000")
HERE = Profile("local", "http://localhost:4566")


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
    assert list(read(path)) == [sent(1), sent(2)]
    assert path.read_text().splitlines()[0] == (
        '{"tick_id":"t1","symbol":"TSLA","price":1200.5,"volume":100,"timestamp":"2026-01-05T14:30:00.250Z",'
        '"message_id":"m1"}'
    )


def test_lines_are_with_the_system_before_append_returns(tmp_path: Path) -> None:
    """A kill -9 after that loses nothing: the file is complete though the writer was never closed."""
    writer = ManifestWriter(tmp_path / "m.jsonl")
    writer.append([sent(1)])
    assert sent_ids(writer.path) == {"t1"}
    writer.close()


def test_a_torn_last_line_counts_as_not_written_wherever_it_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, 1, 2)
    whole = path.read_bytes()
    first_line = whole.index(b"\n") + 1
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert [s.message_id for s in read(path)] == (["m1"] if length >= first_line else [])


def test_resuming_cuts_the_torn_line_off_and_appends(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, 1, 2)
    path.write_bytes(path.read_bytes()[:-5])
    write(path, 3, resume=True)
    assert [s.message_id for s in read(path)] == ["m1", "m3"]


def test_a_torn_line_longer_than_a_block_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, 1)
    with path.open("ab") as stream:
        stream.write(b"x" * 200_000)
    write(path, 2, resume=True)
    assert [s.message_id for s in read(path)] == ["m1", "m2"]


def test_a_new_run_never_overwrites_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, 1)
    with pytest.raises(CannotRunError, match=r"exists: continue it with --resume"):
        ManifestWriter(path)
    assert sent_ids(path) == {"t1"}


def test_a_manifest_is_made_with_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with ManifestWriter(path) as writer:
        writer.append([])
        assert not path.exists()
        writer.append([sent(1)])
        writer.append([sent(2)])
    assert sent_ids(path) == {"t1", "t2"}


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
    assert sent_ids(path) == {"t1"}


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with ManifestWriter(path) as writer, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda start: writer.append([sent(start * 10 + i) for i in range(10)]), range(50)))
    assert sent_ids(path) == {f"t{number}" for number in range(500)}


def test_another_file_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, 1)
    with path.open("a") as stream:
        stream.write("timestamp,symbol\n")
    with pytest.raises(CannotRunError, match=r"m\.jsonl, line 2 is not a line of a manifest"):
        list(read(path))


def test_a_missing_manifest_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match="can't be read: No such file"):
        list(read(tmp_path / "none.jsonl"))


def test_manifests_are_found_by_environment_and_run() -> None:
    other = Names("000000000000", "alice")
    older, newer, elsewhere = (
        new_path(HERE, NAMES, "sim1-aa"),
        new_path(HERE, NAMES, "sim2-bb"),
        new_path(HERE, other, "sim1-aa"),
    )
    for age, path in enumerate([newer, older, elsewhere]):
        write(path, 1)
        os.utime(path, (1000 + age, 1000 + age))
    assert folder(HERE, other).name == "localhost-4566-000000000000-alice"
    assert all_paths(HERE, NAMES) == [newer, older], "the one written last is the last one, whatever its name"
    assert latest_path(HERE, NAMES) == older
    assert latest_path(HERE, NAMES, "sim2-bb") == newer
    assert latest_path(HERE, NAMES, "sim2") is None
    assert latest_path(HERE, other, "sim1-aa") == elsewhere


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
    assert folder(Profile("any", endpoint_url), NAMES).name == f"{place}-000000000000-default"


def test_a_run_on_another_emulator_is_not_the_latest_here() -> None:
    write(new_path(Profile("local", "http://localhost:4567"), NAMES, "sim1-aa"), 1)
    assert latest_path(HERE, NAMES) is None
