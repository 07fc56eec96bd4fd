"""Plans, reports and states as a person or a script reads them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from bootstrap.comparison import Deviation
from bootstrap.deployment import Report, ResourceStatus
from bootstrap.model import Action, Call, Difference, EmptyBucket, Output, Plan, Step, Verb
from bootstrap.runner import describe_wait

_COLOURS = {
    Verb.CREATE: "green",
    Verb.UPDATE: "yellow",
    Verb.REPLACE: "magenta",
    Verb.DELETE: "red",
    Verb.NO_CHANGE: "dim",
}
_PAST = {Verb.CREATE: "created", Verb.UPDATE: "updated", Verb.REPLACE: "replaced", Verb.DELETE: "deleted"}


def jsonable(value: Any) -> Any:
    """Parameters as JSON can hold them: outputs as `${…}`, the zip as its size."""
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, Output):
        return str(value)
    if isinstance(value, Mapping):
        return {key: jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner) for inner in value]
    return value


def step_line(step: Step) -> str:
    """One step on one line: `sqs.CreateQueue {…}`."""
    if isinstance(step, Call):
        return f"{step.service}.{step.operation} {json.dumps(jsonable(step.parameters), ensure_ascii=False)}"
    if isinstance(step, EmptyBucket):
        return f"s3.DeleteObjects: every version, delete marker and unfinished upload of {step.bucket}"
    return f"wait for {step.service}.{describe_wait(step)}"


def transcript(plan: Plan) -> Iterable[str]:
    """Every change with its exact API calls: what a dry run prints."""
    for action in plan.changes:
        yield f"{action.verb} {action.resource}"
        yield from (f"  {step_line(step)}" for step in action.steps)


def plan_json(plan: Plan) -> dict[str, Any]:
    """A plan for scripts."""
    return {
        "changes": len(plan.changes),
        "actions": [_action_json(action) for action in plan.actions],
        "left": dict(plan.left),
        "skipped": dict(plan.skipped),
    }


def report_json(report: Report) -> dict[str, Any]:
    """What was done, for scripts."""
    return {
        "changed": report.changed,
        "actions": [{"action": str(action.verb), "resource": action.resource} for action in report.actions],
        "left": report.left,
        "skipped": report.skipped,
        "seconds": round(report.seconds, 3),
    }


def plan_table(plan: Plan) -> Table:
    """One row a resource; for updates also what differs."""
    table = _table("action", "resource", "what differs")
    for action in plan.actions:
        shown = "\n".join(_difference(found) for found in action.differences) if action.verb in _CHANGING else ""
        table.add_row(f"[{_COLOURS[action.verb]}]{action.verb}[/]", action.resource, shown)
    for resource, reason in plan.left.items():
        table.add_row("leave", resource, reason)
    for reason, resources in by_reason(plan.skipped).items():
        table.add_row("[dim]skip[/]", "\n".join(resources), reason)
    return table


def status_table(found: Sequence[ResourceStatus], width: int) -> Table:
    """One row a resource: state, ARN, drift. The ARNs are left out where `width` columns would break them."""
    longest = sum(max((len(text) for text in column), default=0) + _GAP for column in _identity(found))
    with_arns = longest + len("drift") <= width
    table = _table("resource", "state", *(["ARN"] if with_arns else []), "drift")
    for one in found:
        colour = "dim" if one.skipped else "red" if not one.exists else "yellow" if one.drift else "green"
        drift = "\n".join(_difference(difference) for difference in one.drift)
        table.add_row(one.resource, f"[{colour}]{one.state}[/]", *([one.arn] if with_arns else []), drift)
    if not with_arns:
        table.caption = "ARNs: --json, or a wider window"
        table.caption_justify = "left"
    return table


def _identity(found: Sequence[ResourceStatus]) -> tuple[list[str], list[str], list[str]]:
    return [one.resource for one in found], [one.state for one in found], [one.arn for one in found]


def deviations_table(found: Iterable[Deviation], titles: Sequence[str]) -> Table:
    """One row a resource that isn't the same on both sides."""
    table = _table("resource", f"{titles[0]} → {titles[1]}")
    for one in found:
        table.add_row(escape(one.resource), "\n".join(_difference(difference) for difference in one.differences))
    return table


def deviations_json(found: Iterable[Deviation]) -> list[dict[str, Any]]:
    """Deviations for scripts."""
    return [
        {
            "resource": one.resource,
            "differences": {
                difference.attribute: {"left": difference.live, "right": difference.declared}
                for difference in one.differences
            },
        }
        for one in found
    ]


def by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Resources by why they were left or skipped, so that one reason is one line."""
    grouped: dict[str, list[str]] = {}
    for resource, reason in reasons.items():
        grouped.setdefault(reason, []).append(resource)
    return grouped


def skip_lines(skipped: Mapping[str, str]) -> Iterable[str]:
    """One line for each reason: `skipped: why (what)`."""
    for reason, resources in by_reason(skipped).items():
        yield f"skipped: {reason} ({', '.join(resources)})"


def summary(report: Report) -> str:
    """`created 12, updated 1 in 0.8 s`, or that nothing had to be done."""
    if not report.changed:
        return f"no change: everything is as declared ({report.seconds:.1f} s)"
    verbs = [action.verb for action in report.actions]
    counts = ", ".join(f"{word} {verbs.count(verb)}" for verb, word in _PAST.items() if verb in verbs)
    return f"{counts} in {report.seconds:.1f} s"


_CHANGING = (Verb.UPDATE, Verb.REPLACE)
_LONGEST = 160
_GAP = 2  # columns between two columns of a table


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, _GAP, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")  # names and ARNs are shown whole, also where the window is narrow
    return table


def _action_json(action: Action) -> dict[str, Any]:
    return {
        "action": str(action.verb),
        "resource": action.resource,
        "differences": {
            found.attribute: {"live": jsonable(found.live), "declared": jsonable(found.declared)}
            for found in action.differences
        },
        "calls": [
            {"service": step.service, "operation": step.operation, "parameters": jsonable(step.parameters)}
            for step in action.steps
            if isinstance(step, Call)
        ],
    }


def _difference(found: Difference) -> str:
    return escape("\n".join(_changes(found.attribute, found.live, found.declared)))


def _changes(path: str, live: Any, declared: Any) -> list[str]:
    """The innermost values that differ: `Environment.Variables.ALERT_THRESHOLD: 1200 → 900`."""
    if isinstance(live, Mapping) and isinstance(declared, Mapping):
        keys = dict.fromkeys([*live, *declared])
        return [
            line
            for key in keys
            if live.get(key) != declared.get(key)
            for line in _changes(f"{path}.{key}", live.get(key), declared.get(key))
        ]
    return [f"{path}: {_short(live)} → {_short(declared)}"]


def _short(value: Any) -> str:
    text = "not set" if value is None else value if isinstance(value, str) else json.dumps(jsonable(value))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
