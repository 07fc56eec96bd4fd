"""Private folders in the user's cache: for what a query spills, downloads and writes, and for cached objects.

A scratch folder is locked (`flock`) while its process lives, and removed at its end. The folder of a killed process
has no lock any more: the next process that makes a scratch folder removes it.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from profiles.folders import cache_folder, private


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that only its owner can open, for the duration of a `with`; in the cache's file system."""
    root = private(cache_folder() / "scratch")
    with _locked(root):  # so that no other process mistakes a folder that isn't locked yet for an abandoned one
        for other in root.iterdir():
            _remove_if_left(other)
        folder = Path(tempfile.mkdtemp(dir=root))
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def _locked(folder: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _remove_if_left(folder: Path) -> None:
    with suppress(FileNotFoundError, BlockingIOError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
        shutil.rmtree(folder, ignore_errors=True)
