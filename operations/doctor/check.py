"""The result of a check."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from botocore.exceptions import ClientError

from profiles.session import NOT_AWS

UP = "{up}"
"""In a fix: the command that makes or repairs the environment."""
_DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403")


class State(StrEnum):
    """FAILED: a fault. WARNING: it works, but may surprise. INFO: good to know. SKIPPED: not checked."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check: what was found, and the fix, where there is something to fix."""

    name: str
    state: State
    found: str
    fix: str = ""


def ok(found: str) -> Check:
    """No fault. `run` adds the name, as to the other results."""
    return Check("", State.OK, found)


def info(found: str, fix: str = "") -> Check:
    """Good to know."""
    return Check("", State.INFO, found, fix)


def warning(found: str, fix: str = UP) -> Check:
    """It works, but not as one may expect."""
    return Check("", State.WARNING, found, fix)


def failed(found: str, fix: str = UP) -> Check:
    """It doesn't work."""
    return Check("", State.FAILED, found, fix)


def skipped(found: str) -> Check:
    """It can't be checked until another fault is repaired."""
    return Check("", State.SKIPPED, found)


def run(name: str, check: Callable[[], Check], up: str = "") -> Check:
    """Run a check. An unexpected answer of AWS is its result, so that the other checks are still seen."""
    try:
        found = check()
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        fix = (
            "the profile's user or role lacks a permission to read this: ask for it, or use another --profile"
            if code in _DENIED
            else "see what AWS says; `stockpipe status` shows every resource"
        )
        found = failed(str(error), fix)
    except NOT_AWS as error:
        found = failed(str(error), "is the endpoint still there? stockpipe emulator status")
    return replace(found, name=name, fix=found.fix.replace(UP, up))
