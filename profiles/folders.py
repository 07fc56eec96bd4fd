"""The user's two folders: the cache, and the state of runs and engines.

`STOCKPIPE_CACHE_DIR` and `STOCKPIPE_STATE_DIR` override their places. Both contain what was sent and stored, so only
their owner can open them.
"""

import os
import stat
from pathlib import Path

import platformdirs

from profiles.errors import CannotRunError

_OWNER_ONLY = 0o700


def cache_folder() -> Path:
    """The cache: engines' environments, and objects that queries have fetched. All of it can be made again."""
    return _users("STOCKPIPE_CACHE_DIR", platformdirs.user_cache_path("stockpipe"))


def state_folder() -> Path:
    """The state: which engines run, and what was sent."""
    return _users("STOCKPIPE_STATE_DIR", platformdirs.user_state_path("stockpipe"))


def manifests_folder() -> Path:
    """The manifests of all environments. It may not exist."""
    return state_folder() / "manifests"


def kept_in_words() -> str:
    """What stays on this machine when an engine is stopped or an environment is removed, with paths."""
    manifests = manifests_folder()
    sent = f"the manifests of what was sent ({manifests}), " if manifests.exists() else ""
    return f"{sent}the caches ({cache_folder()})"


def private(folder: Path) -> Path:
    """`folder`, created if it is missing, with mode 0700 whatever the umask is; wider permissions are removed.

    Raises `CannotRunError` for a symbolic link, another user's folder, a file, or a place without write access.
    """
    try:
        folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise CannotRunError(f"the folder {folder} is a symbolic link; it must be a real folder")
        if found.st_uid != os.geteuid():
            raise CannotRunError(f"the folder {folder} belongs to another user (uid {found.st_uid})")
        if found.st_mode & stat.S_ISVTX:  # /tmp, for root
            raise CannotRunError(f"the folder {folder} is shared by all users: use a folder of your own below it")
        if stat.S_IMODE(found.st_mode) != _OWNER_ONLY:
            folder.chmod(_OWNER_ONLY)
    except OSError as error:
        reason = "a file is there" if isinstance(error, FileExistsError) else error.strerror
        raise CannotRunError(f"the folder {folder} can't be used: {reason}") from error
    return folder


def private_file(path: str, flags: int) -> int:
    """An `opener` for `open`: what it creates can be read and written by its owner only (0600)."""
    return os.open(path, flags, 0o600)


def _users(variable: str, default: Path) -> Path:
    given = os.environ.get(variable)
    if given is not None and not Path(given).is_absolute():
        raise CannotRunError(f"{variable} is {given!r}: set it to an absolute path, or unset it")
    return private(default if given is None else Path(given))
