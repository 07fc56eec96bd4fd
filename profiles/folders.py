"""The two folders of a user that outlive a command: what may be thrown away, and what is known of runs and engines.

`STOCKPIPE_CACHE_DIR` and `STOCKPIPE_STATE_DIR` override where the operating system has them; tests do that.
"""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """What can be made again: engines' environments, the objects that queries have fetched."""
    return Path(os.environ.get("STOCKPIPE_CACHE_DIR") or platformdirs.user_cache_dir("stockpipe"))


def state_folder() -> Path:
    """What can't: which engines run, what was sent."""
    return Path(os.environ.get("STOCKPIPE_STATE_DIR") or platformdirs.user_state_dir("stockpipe"))


def manifests_folder() -> Path:
    """What was sent: a folder for each environment in it (`producer.manifest.folder`)."""
    return state_folder() / "manifests"


def make_private(folder: Path) -> None:
    """Make a folder of the user's, and those above it that are missing: others may not look into them (mode 0700)."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
