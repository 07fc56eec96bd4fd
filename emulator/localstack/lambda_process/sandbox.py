"""The life of one execution environment.

A sandbox has a folder of its own (the function's home and temporary folder) and at most one process at a time::

    start ──▶ [init phase] ──▶ idle ──invoke──▶ invoking ──answered──▶ idle
                  │ failed, or over 10 s           │ timeout, process ended, out of memory
                  ▼                                ▼
               no process ◀────────────────── no process ──invoke──▶ [init as part of the invocation] ──▶ invoking

As on AWS, a failed init phase is tried again by the first invocation, and counts against its timeout; after a timeout
the next invocation starts cold but finds the temporary folder as it was.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import contextlib
import itertools
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path

from . import messages
from .reaper import Reaper
from .runtime import Exited, Runtime
from .runtime_api import Answered, Event, InitFailed, Invocation, Ready

INIT_SECONDS = 10.0  # how long AWS lets an init phase take before it retries it within the invocation
_FIRST_MEMORY_CHECK_SECONDS = 0.02
_MEMORY_CHECK_SECONDS = 0.1
_CHECKS_PER_CHILDREN = 10  # finding its children means inspecting every process: 13 ms for 134 of them
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """What a function declares, and how this machine runs it.

    `code` is watched for changes if `watch_code`. `variables` gets the sandbox's own folder, because HOME and TMPDIR
    point to it. With `enforce_memory`, a function that is resident in more than `memory_mb` is killed.
    """

    command: list[str]
    code: Path
    variables: Callable[[Path], Mapping[str, str]]
    version: str
    timeout_seconds: int
    memory_mb: int
    max_response_bytes: int
    enforce_memory: bool = True
    watch_code: bool = False


@dataclass(frozen=True)
class Outcome:
    """The outcome of an invocation: `payload` is a result or an error, `logs` all lines that belong to it."""

    payload: bytes
    is_error: bool
    logs: str


@dataclass(frozen=True)
class _Ending:
    """How an invocation ended. After a `failed` one the process can't be used again."""

    payload: bytes
    is_error: bool = True
    failed: bool = True
    log: str = ""
    status: str = "error"
    error_type: str = ""


class _Limit(Enum):
    TIME = auto()
    MEMORY = auto()


class StoppedError(Exception):
    """The sandbox was stopped while it was starting."""


class Sandbox:
    """One execution environment. One invocation at a time; `stop` may come from another thread at any moment."""

    def __init__(self, settings: Settings, reaper: Reaper) -> None:
        self._settings = settings
        self._reaper = reaper
        self._folder = Path(tempfile.mkdtemp(prefix="lambda-process-")).resolve()
        reaper.watch(f"folder {self._folder}")
        self._runtime: Runtime | None = None
        self._is_ready = False
        self._code_seen: object = None
        self._init_ms: float | None = None
        self._peak_bytes = 0
        self._log = ""
        self._lock = threading.Lock()
        self._invoking = False
        self._stopped = False

    def start(self) -> InitFailed | None:
        """The init phase. Returns the failure, if it failed; the first invocation then tries again.

        Raises `StoppedError`.
        """
        with self._disposed_if_stopped():
            runtime = self._launch()
            event = self._next_event(runtime, runtime.started + INIT_SECONDS)
            if self._stopped:
                raise StoppedError("the execution environment was stopped while it was starting")
            init_ms = (time.monotonic() - runtime.started) * 1000
            if isinstance(event, Ready):
                self._note_memory(runtime, with_children=False)
                self._is_ready = True
                self._init_ms = init_ms
                return None
            self._drop()
            ending = self._failure(event, request_id="")
            status = "timeout" if event is _Limit.TIME else "error"
            self._log += messages.init_report_line(init_ms, status=status, error_type=ending.error_type)
            return InitFailed(ending.payload, ending.error_type)

    def invoke(self, call: Invocation) -> Outcome:
        """Run one invocation to its end, whatever that is: a function's failure is an outcome, not an exception.

        Raises `StoppedError` if the sandbox was stopped before.
        """
        with self._disposed_if_stopped(invoking=True):
            started = time.monotonic()
            self._leave_what_is_stale()
            before = self._take_log()
            init_ms, self._init_ms = self._init_ms, None
            ending = self._run(call, started + self._settings.timeout_seconds)
            duration_ms = (time.monotonic() - started) * 1000
            if ending.failed:
                self._drop()
            printed = self._take_log()
            start = messages.start_line(call.request_id, self._settings.version)
            report = messages.report_line(
                call.request_id,
                duration_ms,
                self._settings.memory_mb,
                self._peak_bytes // _MIB,
                init_ms=init_ms,
                status=ending.status,
                error_type=ending.error_type,
            )
            logs = f"{before}{start}{printed}{ending.log}{messages.end_line(call.request_id)}{report}"
            return Outcome(ending.payload, ending.is_error, logs)

    def stop(self, *, finish_invocation: bool) -> None:
        """End the process and remove the folder.

        With `finish_invocation`, a running invocation is completed first, as on AWS when a function is updated. This
        call doesn't wait for it.
        """
        with self._lock:
            self._stopped = True
            wait = finish_invocation and self._invoking
        if not wait:
            self._dispose()

    def logs(self) -> str:
        """Output that belongs to no invocation yet."""
        runtime = self._runtime
        return self._log + (runtime.output.take() if runtime else "")

    @contextlib.contextmanager
    def _disposed_if_stopped(self, *, invoking: bool = False) -> Iterator[None]:
        """If `stop` was called meanwhile, dispose of the sandbox at the end."""
        with self._lock:
            if self._stopped:
                raise StoppedError("the execution environment has been stopped")
            self._invoking = invoking
        try:
            yield
        finally:
            with self._lock:
                self._invoking = False
                stopped = self._stopped
            if stopped:
                self._dispose()

    def _launch(self) -> Runtime:
        settings = self._settings
        if settings.watch_code:
            self._code_seen = _fingerprint(settings.code)
        self._is_ready = False
        self._peak_bytes = 0
        self._runtime = Runtime(
            settings.command,
            settings.code,
            settings.variables(self._folder),
            reaper=self._reaper,
            max_response_bytes=settings.max_response_bytes,
        )
        return self._runtime

    def _leave_what_is_stale(self) -> None:
        """Drop a process that has ended meanwhile, or whose code has changed."""
        runtime = self._runtime
        if runtime is None:
            return
        changed = self._settings.watch_code and _fingerprint(self._settings.code) != self._code_seen
        if changed or not runtime.alive:
            self._drop()

    def _run(self, call: Invocation, deadline: float) -> _Ending:
        if self._runtime and not self._is_ready:
            # It has yet to come back from the last invocation. If it ends instead, that is no failure of this one.
            if isinstance(self._next_event(self._runtime, deadline), Ready):
                self._is_ready = True
            else:
                self._drop()
        runtime = self._runtime or self._launch()
        if not self._is_ready:
            event = self._next_event(runtime, deadline)
            if not isinstance(event, Ready):
                return self._failure(event, call.request_id)
            self._note_memory(runtime, with_children=False)
            self._is_ready = True
        deadline_ms = int((time.time() + deadline - time.monotonic()) * 1000)
        runtime.api.hand_over(replace(call, deadline_ms=deadline_ms))
        event = self._next_event(runtime, deadline)
        self._is_ready = False
        self._note_memory(runtime, with_children=False)
        if not isinstance(event, Answered):
            return self._failure(event, call.request_id)
        return _Ending(event.payload, event.is_error, failed=False, status="")

    def _next_event(self, runtime: Runtime, deadline: float) -> Event | Exited | _Limit:
        """The next event of the process, or the limit that it reaches."""
        for check in itertools.count():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            pause = _MEMORY_CHECK_SECONDS if check else _FIRST_MEMORY_CHECK_SECONDS
            event = runtime.next_event(min(remaining, pause))
            if event is not None:
                return event
            resident = self._note_memory(runtime, with_children=check % _CHECKS_PER_CHILDREN == 1)
            if self._settings.enforce_memory and resident > self._settings.memory_mb * _MIB:
                return _Limit.MEMORY
        return _Limit.TIME

    def _note_memory(self, runtime: Runtime, *, with_children: bool) -> int:
        resident = runtime.memory_bytes(with_children=with_children)
        self._peak_bytes = max(self._peak_bytes, resident)
        return resident

    def _failure(self, event: Event | Exited | _Limit, request_id: str) -> _Ending:
        match event:
            case InitFailed(payload, error_type):
                return _Ending(payload, error_type=error_type)
            case Exited(returncode):
                payload, log = messages.exited(request_id, returncode)
                return _Ending(payload, log=log, error_type="Runtime.ExitError")
            case _Limit.MEMORY:
                payload, log = messages.exited(request_id, -signal.SIGKILL)
                return _Ending(payload, log=log, error_type="Runtime.OutOfMemory")
            case _Limit.TIME:
                payload, log = messages.timed_out(request_id, self._settings.timeout_seconds, datetime.now(UTC))
                return _Ending(payload, log=log, status="timeout")
            case _:
                raise AssertionError(f"{event} can't follow here")

    def _drop(self) -> None:
        """End the process; what it printed is kept for the log."""
        runtime, self._runtime = self._runtime, None
        self._is_ready = False
        if runtime:
            runtime.kill()
            self._log += runtime.output.take()

    def _take_log(self) -> str:
        if self._runtime:
            self._log += self._runtime.output.take()
        log, self._log = self._log, ""
        return log

    def _dispose(self) -> None:
        self._drop()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._reaper.forget(f"folder {self._folder}")


def _fingerprint(folder: Path) -> dict[str, tuple[int, int]]:
    """Modification time and size of every file, except Python's caches; equal as long as no file changes."""
    files = {}
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = os.path.join(root, name)  # noqa: PTH118 - this runs before every invocation
            with contextlib.suppress(OSError):
                status = os.stat(path)  # noqa: PTH116
                files[path] = (status.st_mtime_ns, status.st_size)
    return files
