"""What a check comes to."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import ClientError

from profiles.session import NOT_AWS

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


def ok(name: str, found: str) -> Check:
    """All is well."""
    return Check(name, State.OK, found)


def info(name: str, found: str, fix: str = "") -> Check:
    """Good to know."""
    return Check(name, State.INFO, found, fix)


def warning(name: str, found: str, fix: str) -> Check:
    """It works, but not as one may expect."""
    return Check(name, State.WARNING, found, fix)


def failed(name: str, found: str, fix: str) -> Check:
    """It doesn't work."""
    return Check(name, State.FAILED, found, fix)


def skipped(name: str, found: str) -> Check:
    """It can't be checked until something else is repaired."""
    return Check(name, State.SKIPPED, found)


def guarded(name: str, check: Callable[[], Check]) -> Check:
    """Run a check; an answer of AWS that it doesn't expect is its result, so that the other checks are still seen."""
    try:
        return check()
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        fix = (
            "the profile's user or role lacks a permission for looking: ask for it, or use another --profile"
            if code in _DENIED
            else "see what AWS says; `stockpipe status` shows every resource"
        )
        return failed(name, str(error), fix)
    except NOT_AWS as error:
        return failed(name, str(error), "is the endpoint still there? stockpipe emulator status")
