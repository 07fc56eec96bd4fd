"""The manifest: one JSON line for each tick that SQS has accepted.

Lines are appended as SQS answers, in whole lines and straight to the operating system, so what a killed producer
leaves is true, up to at most one torn last line; a run that sent nothing leaves no manifest. Readers stream; a torn
last line counts as not written: that tick may have been sent, and a resumed run sends it again under the same id,
which lands on the same key.
"""

import errno
import io
import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.tick import Tick
from profiles.errors import CannotRunError
from profiles.folders import private_file, state_folder
from profiles.names import Names
from profiles.session import Profile

SUFFIX = ".jsonl"
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Sent:
    """A tick that SQS has accepted, and the message id SQS gave it."""

    tick: Tick
    message_id: str


def folder(profile: Profile, names: Names) -> Path:
    """Where the manifests of one environment are: `<state dir>/manifests/<place>-<account>-<environment>`.

    The place is the endpoint's, because all emulators have the same account.
    """
    return state_folder() / "manifests" / f"{profile.place}-{names.account}-{names.environment}"


def new_path(profile: Profile, names: Names, run: str) -> Path:
    """A path for the manifest of a run that starts now; two runs never share one."""
    return folder(profile, names) / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{run}{SUFFIX}"


def all_paths(profile: Profile, names: Names) -> list[Path]:
    """The manifests of an environment, the one written last at the end."""
    return sorted(folder(profile, names).glob(f"*{SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))


def latest_path(profile: Profile, names: Names, run: str | None = None) -> Path | None:
    """The manifest written last, of any run or of the given one; None if there is none."""
    of_run = re.compile(rf"\d{{8}}T\d+-{re.escape(run or '')}" + re.escape(SUFFIX)) if run else None
    paths = [path for path in all_paths(profile, names) if of_run is None or of_run.fullmatch(path.name)]
    return paths[-1] if paths else None


def read(path: Path) -> Iterator[Sent]:
    """The ticks of a manifest, as a stream. Raises `CannotRunError` for a file that is no manifest."""
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.endswith(b"\n"):
                    yield _decode(line, path, number)
    except OSError as error:
        raise CannotRunError(f"the manifest {path} can't be read: {error.strerror or error}") from error


def sent_ids(path: Path) -> set[str]:
    """The ids of all ticks in a manifest: about 100 bytes of memory for each."""
    return {sent.tick.tick_id for sent in read(path)}


def find(path: Path, some_id: str) -> Sent | None:
    """The tick of a manifest with this tick id or message id. Other lines are not decoded: that is fast."""
    needle = json.dumps(some_id).encode()
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if needle in line and line.endswith(b"\n"):
                    sent = _decode(line, path, number)
                    if some_id in (sent.tick.tick_id, sent.message_id):
                        return sent
    except OSError as error:
        raise CannotRunError(f"the manifest {path} can't be read: {error.strerror or error}") from error
    return None


class ManifestWriter:
    """Appends to a manifest; may be used from several threads. Closing it twice is harmless."""

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        """Get ready to write a manifest: a new one, or with `resume` an existing one, whose torn last line is cut off.

        A new file is made with its first line, but what would stop that is found now, before anything is sent.
        """
        self.path = path
        self._lock = threading.Lock()
        self._stream: io.FileIO | None = None
        self._mode = "ab" if resume else "xb"
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                if not resume:
                    raise FileExistsError(path)
                _cut_torn_line(path)
                self._stream = self._open()
            elif not os.access(path.parent, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    def append(self, accepted: Sequence[Sent]) -> None:
        """Write one line for each accepted tick, in one write."""
        lines = b"".join(_encode(sent) for sent in accepted)
        with self._lock, self._explained():
            while lines:
                self._stream = self._stream or self._open()
                lines = lines[self._stream.write(lines) :]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._stream:
                self._stream.close()

    def _open(self) -> io.FileIO:
        """Unbuffered: once append() returns, the lines survive a kill -9 of this process."""
        return io.FileIO(self.path, self._mode, opener=private_file)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What the system refuses, as `CannotRunError`."""
        try:
            yield
        except OSError as error:
            if isinstance(error, FileExistsError) and self.path.exists():  # and not a file where its folder should be
                raise CannotRunError(
                    f"the manifest {self.path} exists: continue it with --resume, or name another"
                ) from error
            raise CannotRunError(f"the manifest {self.path} can't be written: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _encode(sent: Sent) -> bytes:
    tick = sent.tick
    fields = {
        "tick_id": tick.tick_id,
        "symbol": tick.symbol,
        "price": tick.price,
        "volume": tick.volume,
        "timestamp": tick.timestamp,
        "message_id": sent.message_id,
    }
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _decode(line: bytes, path: Path, number: int) -> Sent:
    try:
        fields = json.loads(line)
        tick = Tick(fields["tick_id"], fields["symbol"], fields["price"], fields["volume"], fields["timestamp"])
        return Sent(tick, fields["message_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise CannotRunError(
            f"{path}, line {number} is not a line of a manifest ({error!r}); "
            "a manifest is what `stockpipe produce` writes"
        ) from error


def _cut_torn_line(path: Path) -> None:
    """Cut off what follows the last newline."""
    with path.open("rb+") as stream:
        end = stream.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - _BLOCK)
            stream.seek(start)
            newline = stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                stream.truncate(start + newline + 1)
                return
            end = start
        stream.truncate(0)
