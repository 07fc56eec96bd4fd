"""One process of a function: AWS's runtime client with its Runtime API and its output."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import psutil

from .output import Output
from .reaper import Reaper, kill_group
from .runtime_api import Event, RuntimeApi


@dataclass(frozen=True)
class Exited:
    """The process has ended; `returncode` is negative where a signal ended it."""

    returncode: int


class Runtime:
    """A running process and the channels to it. It leads a session and process group of its own.

    `command` is started in `folder` with exactly the variables given and `AWS_LAMBDA_RUNTIME_API`. Events come in the
    order they happened; `Exited` is the last.
    """

    def __init__(
        self,
        command: list[str],
        folder: Path,
        variables: Mapping[str, str],
        *,
        reaper: Reaper,
        max_response_bytes: int,
    ) -> None:
        self._events: SimpleQueue[Event | Exited] = SimpleQueue()
        self.api = RuntimeApi(self._events.put, max_response_bytes=max_response_bytes)
        self._reaper = reaper
        self.output = Output()
        self.started = time.monotonic()
        try:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**variables, "AWS_LAMBDA_RUNTIME_API": self.api.address},
                stdin=subprocess.DEVNULL,
                stdout=self.output.write_end,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError:
            self.api.close()
            raise
        finally:
            self.output.follow()
        self.api.open_to(self._process.pid)
        self._reaper.watch(f"group {self._process.pid}")
        self._observed = psutil.Process(self._process.pid)
        threading.Thread(target=self._wait, name="lambda-process", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the process still runs. Asks the system, because the thread that waits for its end may be late."""
        try:
            return self._process.returncode is None and self._observed.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def next_event(self, timeout_seconds: float) -> Event | Exited | None:
        """The next event, or None if there was none in time."""
        try:
            return self._events.get(timeout=max(0.0, timeout_seconds))
        except Empty:
            return None

    def memory_bytes(self, *, with_children: bool) -> int:
        """Resident memory now; 0 once the process has ended. Finding its children means inspecting every process."""
        total = 0
        with contextlib.suppress(psutil.Error):
            total = int(self._observed.memory_info().rss)
            for child in self._observed.children(recursive=True) if with_children else []:
                total += int(child.memory_info().rss)
        return total

    def kill(self) -> None:
        """End the process and everything in its group, now. Can be called again."""
        if self.alive:
            kill_group(self._process.pid)
            self._process.wait()
        self.api.close()

    def _wait(self) -> None:
        returncode = self._process.wait()
        # What it started must not outlive it: on AWS the whole environment would be gone.
        kill_group(self._process.pid)
        self._reaper.forget(f"group {self._process.pid}")
        self._events.put(Exited(returncode))
