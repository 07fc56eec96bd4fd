"""What a function prints, cut at the right places."""

import contextlib
import os
import selectors
import threading

_CHUNK = 65536


class Output:
    """Collects one process's standard output and error from a pipe, while it runs and after.

    A process writes before it answers; so everything that belongs to an invocation is in the pipe by the time its
    answer is here, and `take` empties the pipe itself instead of hoping that a reading thread has.
    """

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._collected = bytearray()
        self._lock = threading.Lock()
        self._ended = False

    def follow(self) -> None:
        """Start collecting; the process has been started, so the write end is its alone now."""
        os.close(self.write_end)
        threading.Thread(target=self._follow, name="lambda-output", daemon=True).start()

    def take(self) -> str:
        """What was printed since the last call, ending with a newline if it isn't empty."""
        with self._lock:
            self._drain()
            text = self._collected.decode(errors="replace")
            self._collected.clear()
        return text if not text or text.endswith("\n") else f"{text}\n"

    def _follow(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._read_end, selectors.EVENT_READ)
            while True:
                selector.select()
                with self._lock:
                    self._drain()
                    if self._ended:
                        break
        os.close(self._read_end)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while not self._ended:
                chunk = os.read(self._read_end, _CHUNK)
                self._collected += chunk
                self._ended = not chunk
