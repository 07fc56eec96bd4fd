"""The folders that outlive a command belong to their owner alone, or the command ends with one line."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.contract import Tick
from producer.manifest import ManifestWriter, Sent
from profiles import folders
from profiles.errors import CannotRunError

FOLDERS = [("STOCKPIPE_STATE_DIR", folders.state_folder), ("STOCKPIPE_CACHE_DIR", folders.cache_folder)]
each_folder = pytest.mark.parametrize(("variable", "folder"), FOLDERS)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o777])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@each_folder
@pytest.mark.usefixtures("_umask")
def test_a_folder_is_its_owners_alone_whatever_the_umask(
    variable: str, folder: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "own"))
    assert rights(folder()) == 0o700


@each_folder
def test_wider_rights_of_an_existing_folder_are_taken_back(
    variable: str, folder: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setenv(variable, str(tmp_path))
    assert rights(folder()) == 0o700


def _symlink(path: Path) -> None:
    (path.parent / "elsewhere").mkdir()
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize(
    ("make", "said"), [(_symlink, "is a symbolic link"), (Path.touch, "can't be used: a file is there")]
)
@each_folder
def test_what_is_no_folder_of_ones_own_is_refused(
    *,
    variable: str,
    folder: Callable[[], Path],
    make: Callable[[Path], None],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make(tmp_path / "there")
    monkeypatch.setenv(variable, str(tmp_path / "there"))
    with pytest.raises(CannotRunError, match=said):
        folder()


@each_folder
def test_another_users_folder_is_refused(
    variable: str, folder: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(CannotRunError, match=rf"belongs to another user \(uid {owner}\)"):
        folder()


@each_folder
def test_a_folder_that_all_users_share_is_refused_and_stays_as_it_is(
    variable: str, folder: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o1777)
    monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(CannotRunError, match="is shared by all users"):
        folder()
    assert rights(tmp_path) == 0o1777


@pytest.mark.parametrize("given", ["", "relative/folder", "~/stockpipe"])
@each_folder
def test_a_path_that_is_not_absolute_is_refused(
    variable: str, folder: Callable[[], Path], given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, given)
    with pytest.raises(CannotRunError, match=f"{variable} is .*: set it to an absolute path, or unset it"):
        folder()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKPIPE_STATE_DIR", "/proc/none/here")
    with pytest.raises(CannotRunError) as error:
        folders.state_folder()
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("the folder /proc/none/here can't be used: ")


def test_a_manifest_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with ManifestWriter(path) as manifest:
        manifest.append([Sent(Tick("id", "TSLA", 1.0, 1, "2026-01-01T00:00:00.000Z"), "message")])
    assert rights(path) == 0o600
