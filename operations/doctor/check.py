"""What a check comes to."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from botocore.exceptions import ClientError

from profiles.session import NOT_AWS

UP = "{up}"
"""In a fix: the command that makes or repairs the environment."""
_DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403")


class State(StrEnum):
    """`FAILED` is a check that says no; a `WARNING` explains what may surprise; `INFO` is neither good nor bad."""

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
    """All is well. Like the others, it gets its name where it is run."""
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
    """It can't be checked until something else is repaired."""
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
