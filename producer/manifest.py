"""The manifest: one JSON line for each record that SQS has accepted.

Lines are written as SQS answers, unbuffered and whole. So the manifest of a killed producer is correct, except for a
torn last line. A run that sent nothing leaves no manifest. Readers stream, and ignore a torn last line: its record may
have been sent, and a resumed run sends it again with the same id, so that it is stored under the same key.
"""

import errno
import fcntl
import io
import json
import mmap
import os
import re
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from profiles.environment import Environment, environment_made_at
from profiles.errors import CannotRunError
from profiles.folders import manifests_folder, private, private_file
from runtime.contract import Contract
from runtime.fields import Record, values_of

SUFFIX = ".jsonl"
MAX_LINE = 8192  # bytes: twice the longest body that the data contract allows
MAX_MESSAGE_ID = 100


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that SQS has accepted, and the message id SQS gave it."""

    record: Record
    message_id: str


class NotWrittenError(CannotRunError):
    """Not all lines could be written to the manifest. The first `written` of them are in it."""

    def __init__(self, text: str, written: int) -> None:
        super().__init__(text)
        self.written = written


def is_message_id(value: object) -> bool:
    """Whether it can be a message id: AWS's are UUIDs, others are short printable text."""
    return isinstance(value, str) and 0 < len(value) <= MAX_MESSAGE_ID and value.isprintable()


def folder(environment: Environment) -> Path:
    """Where the manifests of the environment that exists now are.

    `<state dir>/manifests/<place>-<account>-<queue>/<time of its creation>`. The place is the endpoint's, because all
    emulators have the same account. The queue's name has the prefix in it, and differs between pipelines. The time is
    there because the records are deleted with the environment.
    """
    names = environment.names
    home = manifests_folder() / f"{environment.aws.profile.place}-{names.account}-{names.queue}"
    return home / f"{environment_made_at(environment):%Y%m%dT%H%M%SZ}"


def new_path(environment: Environment, run: str) -> Path:
    """A path for the manifest of a run that starts now; two runs never share one. Makes its folder."""
    return private(folder(environment)) / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{run}{SUFFIX}"


def all_paths(environment: Environment) -> list[Path]:
    """The manifests of the environment that exists now, the one written last at the end."""
    return _by_age(folder(environment))


def earlier_paths(environment: Environment) -> list[Path]:
    """The manifests of earlier environments with the same names and place, the one written last at the end."""
    now = folder(environment)
    return [path for path in _by_age(now.parent) if path.parent != now]


def latest_path(environment: Environment, run: str | None = None) -> Path | None:
    """The manifest written last, of any run or of the given one; None if there is none."""
    of_run = re.compile(rf"\d{{8}}T\d+-{re.escape(run or '')}" + re.escape(SUFFIX)) if run else None
    paths = [path for path in all_paths(environment) if of_run is None or of_run.fullmatch(path.name)]
    return paths[-1] if paths else None


def _by_age(top: Path) -> list[Path]:
    return sorted(top.rglob(f"*{SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))


def exists(path: Path) -> bool:
    """Whether a manifest is there. Raises `CannotRunError` for something else, such as a folder or a pipe."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise CannotRunError(f"the manifest {path} can't be used: {getattr(error, 'strerror', error)}") from error
    if not stat.S_ISREG(mode):
        raise CannotRunError(f"the manifest {path} is not a regular file")
    return True


def read(path: Path, contract: Contract[Any]) -> Iterator[Sent]:
    """The records of a manifest, as a stream. Raises `CannotRunError` for a file that is not a manifest."""
    for number, line in _lines(path):
        yield _decode(line, path, number, contract)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines and their numbers, from 1."""
    exists(path)
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE), b""), start=1):
                if line.endswith(b"\n"):
                    yield number, line
                elif len(line) == MAX_LINE:
                    raise _not_a_manifest(path, number, f"it is longer than {MAX_LINE} bytes")
    except OSError as error:
        raise CannotRunError(f"the manifest {path} can't be read: {error.strerror or error}") from error


def sent_ids(path: Path, contract: Contract[Any]) -> set[str]:
    """The ids of all records in a manifest: about 100 bytes of memory for each."""
    return {sent.record.id for sent in read(path, contract)}


def find(path: Path, contract: Contract[Any], some_id: str) -> Sent | None:
    """The record of a manifest with this id or message id. Other lines are not decoded: that is fast."""
    needle = json.dumps(some_id).encode()
    for number, line in _lines(path):
        if needle in line:
            sent = _decode(line, path, number, contract)
            if some_id in (sent.record.id, sent.message_id):
                return sent
    return None


class ManifestWriter:
    """Appends to a manifest, from several threads if need be. Closing it twice is harmless.

    It locks the file (flock): there is one writer at a time.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        """Get ready to write a manifest: a new one, or with `resume` an existing one, whose torn last line is cut off.

        A new file is created with its first line, but errors are detected now, before anything is sent. Raises
        `CannotRunError` if it can't be written, or if another run writes it.
        """
        self.path = path
        self._lock = threading.Lock()
        self._stream: io.FileIO | None = None
        self._closed = False
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            if exists(path):
                if not resume:
                    raise FileExistsError(path)
                self._stream = self._open("ab")
                _cut_torn_line(path)
            elif not os.access(path.parent, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    def append(self, accepted: Sequence[Sent]) -> None:
        """Write one line for each accepted record, in one write. Raises `NotWrittenError`: no line is torn then."""
        data = b"".join(_encode(sent) for sent in accepted)
        done = 0
        with self._lock:
            try:
                with self._explained():
                    while done < len(data):
                        if self._closed:
                            raise OSError(errno.EBADF, "it is closed")
                        self._stream = self._stream or self._open("xb")
                        done += self._stream.write(data[done:])
            except CannotRunError as error:
                whole = data.rfind(b"\n", 0, done) + 1
                if self._stream and done > whole:
                    self._cut(done - whole)
                raise NotWrittenError(str(error), data.count(b"\n", 0, whole)) from error

    def _cut(self, torn: int) -> None:
        """Cut off the last bytes, which are part of a line. If that fails, no other line may follow them."""
        stream = cast(io.FileIO, self._stream)
        try:
            stream.truncate(os.fstat(stream.fileno()).st_size - torn)
            stream.seek(0, os.SEEK_END)
        except OSError:
            self._close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        self._closed = True
        if self._stream:
            self._stream.close()

    def _open(self, mode: str) -> io.FileIO:
        """Unbuffered: once append() returns, the lines survive a kill -9 of this process. Locked while it is open."""
        stream = io.FileIO(self.path, mode, opener=private_file)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            raise CannotRunError(
                f"another run writes the manifest {self.path}: stop it, or wait until it has ended"
            ) from None
        return stream

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
    values = {**values_of(sent.record), "message_id": sent.message_id}
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def _decode(line: bytes, path: Path, number: int, contract: Contract[Any]) -> Sent:
    """A line is a message body as the data contract has it, and a message id."""
    try:
        record = contract.parse(line.decode(), message_id="", sent_timestamp_ms=0)
    except ValueError as error:  # InvalidRecordError and UnicodeDecodeError are
        raise _not_a_manifest(path, number, str(error)) from error
    message_id = json.loads(line).get("message_id")
    if not is_message_id(message_id):
        raise _not_a_manifest(path, number, f"message_id is {ascii(message_id)[:40]}")
    return Sent(record, message_id)


def _not_a_manifest(path: Path, number: int, reason: str) -> CannotRunError:
    return CannotRunError(
        f"{path}, line {number} is not a line of a manifest ({reason}); a manifest is what `stockpipe produce` writes"
    )


def _cut_torn_line(path: Path) -> None:
    """Cut off what follows the last newline."""
    with path.open("rb+") as stream:
        if path.stat().st_size:  # an empty file can't be mapped
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                end = content.rfind(b"\n") + 1
            stream.truncate(end)
