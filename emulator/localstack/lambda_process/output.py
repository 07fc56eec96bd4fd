"""The output of a function, divided into invocations."""

import contextlib
import os
import selectors
import threading

_CHUNK = 65536
_MOST_BYTES = 64 * 1024 * 1024


class Output:
    """Collects one process's standard output and error from a pipe, while it runs and after.

    A process writes before it answers, so all output of an invocation is in the pipe when its answer arrives. `take`
    empties the pipe itself and doesn't depend on the reading thread. Between two calls of `take`, at most `most_bytes`
    are kept; a line then says how much was dropped.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._dropped = 0
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._collected = bytearray()
        self._lock = threading.Lock()
        self._ended = False

    def follow(self) -> None:
        """Start collecting; the process has been started, so only it needs the write end now."""
        os.close(self.write_end)
        threading.Thread(target=self._follow, name="lambda-output", daemon=True).start()

    def take(self) -> str:
        """What was printed since the last call, ending with a newline if it isn't empty."""
        with self._lock:
            self._drain()
            text = self._collected.decode(errors="replace")
            dropped = self._dropped
            self._collected.clear()
            self._dropped = 0
        if text and not text.endswith("\n"):
            text += "\n"
        return f"{text}({dropped} more bytes of output were dropped)\n" if dropped else text

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
                kept = chunk[: self._most_bytes - len(self._collected)]
                self._collected += kept
                self._dropped += len(chunk) - len(kept)
                self._ended = not chunk
