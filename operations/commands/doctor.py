"""`stockpipe doctor`."""

from dataclasses import asdict

from rich.text import Text

import terminal
from operations.doctor import Check, State, examine
from terminal.commands import Json
from terminal.environment import HERE, Where
from terminal.untrusted import printable

_MARKS = {
    State.OK: ("✓", "green"),
    State.INFO: ("·", "dim"),
    State.WARNING: ("!", "yellow"),
    State.FAILED: ("✗", "bold red"),
    State.SKIPPED: ("-", "dim"),
}


def doctor(*, where: Where = HERE, as_json: Json = False) -> bool:
    """Check this machine, the endpoint and every resource that a record passes, and say how to repair each fault.

    ✗ is a fault, ! may surprise you, · is good to know, - can't be checked yet. Exit code 1: there is a fault.
    It changes nothing.
    """
    with terminal.errors.status("checking …"):
        checks = examine(where.profile, where.prefix, where.bucket, where.pipeline)
    healthy = all(check.state is not State.FAILED for check in checks)
    if as_json:
        terminal.print_json({"healthy": healthy, "checks": [asdict(check) for check in checks]})
    else:
        _show(checks)
        terminal.console.print(summary(checks))
    return healthy


def summary(checks: list[Check]) -> str:
    """`healthy`, or what is to be repaired first: checks are in the order in which they depend on each other."""
    first = next((check for check in checks if check.state is State.FAILED), None)
    if first is None:
        warnings = sum(check.state is State.WARNING for check in checks)
        return "healthy" + (f", {warnings} to know about" if warnings else "")
    return f"repair first: {first.name}"


def _show(checks: list[Check]) -> None:
    """One line a check, and one for the fix; never cut or folded, so that commands can be copied."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark, style = _MARKS[check.state]
        line = Text.assemble((f"{mark}  {check.name:<{width}}", style), "  ")
        line.append(printable(check.found), style="dim" if style == "dim" else "")
        if check.fix:
            line.append(f"\n{'':<{width}}     → ")
            line.append(printable(check.fix), style="bold" if check.state is State.FAILED else "")
        terminal.say(line)
