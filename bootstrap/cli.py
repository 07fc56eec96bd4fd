"""`plan`, `up`, `status`, `down`, `diff`: also as `python -m bootstrap …`."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from bootstrap import deployment, render
from bootstrap.comparison import compare
from bootstrap.deployment import Report
from bootstrap.executor import Observer
from bootstrap.model import Plan
from bootstrap.options import EMULATED_ACCOUNT, with_settings
from bootstrap.planner import KEPT
from bootstrap.progress import Progress
from bootstrap.resources import sns
from bootstrap.resources.sqs import DELETED_RECENTLY_SECONDS, Queue
from bootstrap.settings import Settings
from profiles import folders
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.pipeline import load
from terminal import confirmed, console, errors, note, print_json, write
from terminal.commands import Json
from terminal.environment import HERE, Naming, Where

NO_CHANGE = "no change: everything is as declared"
NOTHING_TO_REMOVE = "nothing to remove"


@with_settings
def plan(
    *,
    settings: Settings,
    where: Where = HERE,
    as_json: Json = False,
    dry_run: bool = False,
    from_scratch: bool = False,
    removal: Annotated[bool, Parameter(name="--down")] = False,
    account: str = EMULATED_ACCOUNT,
) -> None:
    """Show what `up` would create, update, replace or leave. Changes nothing.

    Every API call with its parameters, without any endpoint:

        stockpipe plan --dry-run --from-scratch

    Args:
        dry_run: Print the exact API calls with parameters.
        from_scratch: As if nothing existed: asks no endpoint at all.
        removal: What `down` would remove.
        account: The account id to plan for with --from-scratch.
    """
    if from_scratch:
        found = deployment.plan_from_scratch(load(where.pipeline), where.names(account), settings)
    else:
        found = (deployment.plan_removal if removal else deployment.plan)(where.open(), settings)
    if as_json:
        print_json(render.plan_json(found))
    elif dry_run:
        for line in render.transcript(found):
            write(line)
    else:
        _show_plan(found, nothing=NOTHING_TO_REMOVE if removal else NO_CHANGE)


@with_settings
def up(
    *,
    settings: Settings,
    where: Where = HERE,
    as_json: Json = False,
    yes: bool = False,
    account: str | None = None,
) -> None:
    """Create what is missing and update what differs. Running it again changes nothing.

    On AWS it shows the changes and asks before it makes them:

        stockpipe up --profile prod --alert-threshold 500

    Args:
        yes: Don't ask. On AWS it needs --account as well.
        account: The account id that may be changed.
    """
    environment = where.open()
    make_plan, change = partial(deployment.plan, environment, settings), partial(deployment.up, environment, settings)
    _show_report(_changed(environment, yes, account, make_plan, change), as_json)


@with_settings
def status(*, settings: Settings, where: Where = HERE, as_json: Json = False) -> bool:
    """Show which resources exist, their state and their drift. Exit code 1: something is missing or has drifted."""
    environment = where.open()
    found = deployment.status(environment, settings)
    if as_json:
        print_json([one.to_json() for one in found])
    else:
        console.print(render.status_table(found, console.width), soft_wrap=True)
        _show_skipped({one.resource: one.skipped for one in found if one.skipped})
    for subscriber in sns.email_subscribers(environment.aws, environment.names.topic_arn):
        if not subscriber.confirmed:
            note(f"{subscriber.address}: {sns.HOW_TO_CONFIRM}")
    return all(one.as_declared for one in found)


def down(
    *,
    where: Where = HERE,
    as_json: Json = False,
    yes: bool = False,
    account: str | None = None,
    keep_data: bool = False,
) -> bool:
    """Remove this environment with its data and logs. Exit code 1: resources that stockpipe didn't create are left.

    The manifests of what was sent and the caches on this machine are kept.

    Args:
        yes: Don't ask. On AWS it needs --account as well.
        account: The account id that may be changed.
        keep_data: Keep the bucket.
    """
    kept = folders.kept_in_words()
    # Only names matter here: an email subscription, the one optional resource, goes with its topic.
    environment = where.open()
    settings = Settings(environment.pipeline.settings())
    make_plan = partial(deployment.plan_removal, environment, settings, keep_data=keep_data)
    change = partial(deployment.down, environment, settings, keep_data=keep_data)
    report = _changed(environment, yes, account, make_plan, change)
    _show_report(report, as_json, nothing=NOTHING_TO_REMOVE)
    if any(action.resource.startswith(f"{Queue.kind} ") for action in report.actions):
        note(f"AWS lets queues of these names be made again after {DELETED_RECENTLY_SECONDS} s; `up` waits.")
    note(f"kept on this machine: {kept}")
    return all(reason == KEPT for reason in report.left.values())


@with_settings
def diff(
    *,
    settings: Settings,
    profiles: Annotated[list[str], Parameter(name="--profile", group="Environment")],
    which: Naming = HERE,
    as_json: Json = False,
) -> bool:
    """Compare two live environments, for example an emulator's with AWS's. Exit code 1: they differ.

    For example:

        stockpipe diff --profile local --profile prod

    Args:
        profiles: Give it twice: the two to compare.
    """
    if len(profiles) != 2:
        raise CannotRunError("diff compares two environments: stockpipe diff --profile A --profile B")
    left, right = (which.at(profile) for profile in profiles)
    found = compare(left, right, settings)
    if as_json:
        print_json(render.deviations_json(found))
    elif found:
        console.print(render.deviations_table(found, profiles))
    else:
        console.print(f"no difference between {profiles[0]} and {profiles[1]}")
    return not found


def _changed(
    environment: Environment,
    yes: bool,
    account: str | None,
    make_plan: Callable[[], Plan],
    change: Callable[[Observer], Report],
) -> Report:
    """Carry out the plan that a person has confirmed, that very one; where nobody is asked, make the change at once."""
    plan = _confirmed_plan(environment, yes, account, make_plan)
    with Progress(errors) as progress:
        return deployment.apply(environment, plan, progress) if plan else change(progress)


def _confirmed_plan(
    environment: Environment, yes: bool, account: str | None, make_plan: Callable[[], Plan]
) -> Plan | None:
    """Nothing on AWS is changed unless a person has seen what, or a script has named the account (None)."""
    aws = environment.aws
    if account is not None and account != aws.account:
        raise CannotRunError(f"--account {account}, but profile {aws.profile.name} is account {aws.account}")
    if not aws.profile.asks_before_changes or (yes and account):
        return None
    if yes:
        raise CannotRunError(f"--yes on AWS needs the account as well: --yes --account {aws.account}")
    errors.print(f"AWS account [bold]{aws.account}[/], region [bold]{aws.region}[/], profile {aws.profile.name}")
    found = make_plan()
    _show_plan(found)
    if found.changes and not confirmed(f"Change account {aws.account}?"):
        raise CannotRunError(f"nothing was changed; scripts name the account: --yes --account {aws.account}")
    return found


def _show_plan(found: Plan, nothing: str = NO_CHANGE) -> None:
    console.print(render.plan_table(found))
    console.print(f"{len(found.changes)} to change" if found.changes else nothing)


def _show_skipped(skipped: Mapping[str, str]) -> None:
    for line in render.skip_lines(skipped):
        note(line)


def _show_report(report: Report, as_json: bool, nothing: str | None = None) -> None:
    if as_json:
        print_json(render.report_json(report))
        return
    for resource, reason in report.left.items():
        note(f"left: {resource}: {reason}")
    _show_skipped(report.skipped)
    console.print(nothing if nothing and not report.changed else render.summary(report))
