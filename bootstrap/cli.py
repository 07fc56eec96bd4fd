"""`plan`, `up`, `status`, `down`: also as `python -m bootstrap …`."""

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from bootstrap import deployment, render
from bootstrap.comparison import compare
from bootstrap.deployment import Report
from bootstrap.export_cli import app as export_app
from bootstrap.model import Plan
from bootstrap.options import EMULATED_ACCOUNT, names_for, with_settings
from bootstrap.planner import KEPT
from bootstrap.progress import Progress
from bootstrap.resources import sns
from bootstrap.resources.sqs import DELETED_RECENTLY_SECONDS, Queue
from bootstrap.settings import Settings
from profiles import folders
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.pipeline import load
from profiles.session import Aws
from terminal import (
    DEFAULT_PROFILE,
    EXIT_CHECK_FAILED,
    BucketOption,
    JsonOption,
    PrefixOption,
    ProfileOption,
    console,
    errors,
    open_environment,
    print_json,
)

app = typer.Typer(no_args_is_help=True, help="Create, inspect and remove the AWS resources of the pipeline.")
app.add_typer(export_app, name="export")

NO_CHANGE = "no change: everything is as declared"
NOTHING_TO_REMOVE = "nothing to remove"

YesOption = Annotated[bool, typer.Option("--yes", help="Don't ask. On AWS it needs --account as well.")]
AccountOption = Annotated[str | None, typer.Option("--account", help="The account id that may be changed.")]


@app.command()
@with_settings
def plan(
    *,
    settings: Settings,
    profile: ProfileOption = DEFAULT_PROFILE,
    prefix: PrefixOption = "",
    bucket: BucketOption = None,
    as_json: JsonOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the exact API calls with parameters.")] = False,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="As if nothing existed: asks no endpoint at all.")
    ] = False,
    removal: Annotated[bool, typer.Option("--down", help="What `down` would remove.")] = False,
    account: Annotated[
        str, typer.Option("--account", help="The account id to plan for with --from-scratch.")
    ] = EMULATED_ACCOUNT,
) -> None:
    """Show what `up` would create, update, replace or leave. Changes nothing."""
    if from_scratch:
        pipeline = load()
        found = deployment.plan_from_scratch(pipeline, names_for(pipeline, account, prefix, bucket), settings)
    else:
        show = deployment.plan_removal if removal else deployment.plan
        found = show(open_environment(profile, prefix, bucket), settings)
    if as_json:
        print_json(render.plan_json(found))
    elif dry_run:
        for line in render.transcript(found):
            typer.echo(line)
    else:
        _show_plan(found, nothing=NOTHING_TO_REMOVE if removal else NO_CHANGE)


@app.command()
@with_settings
def up(
    *,
    settings: Settings,
    profile: ProfileOption = DEFAULT_PROFILE,
    prefix: PrefixOption = "",
    bucket: BucketOption = None,
    as_json: JsonOption = False,
    yes: YesOption = False,
    account: AccountOption = None,
) -> None:
    """Create what is missing and update what differs. Running it again changes nothing."""
    environment = open_environment(profile, prefix, bucket)
    confirmed = _ask_on_aws(environment, yes, account, lambda: deployment.plan(environment, settings))
    with Progress(errors) as progress:
        if confirmed:
            report = deployment.apply(environment, confirmed, progress)
        else:
            report = deployment.up(environment, settings, progress)
    _show_report(report, as_json)


@app.command()
@with_settings
def status(
    *,
    settings: Settings,
    profile: ProfileOption = DEFAULT_PROFILE,
    prefix: PrefixOption = "",
    bucket: BucketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which resources exist, their state and their drift. Exit code 1: something is missing or has drifted."""
    environment = open_environment(profile, prefix, bucket)
    found = deployment.status(environment, settings)
    if as_json:
        print_json([one.to_json() for one in found])
    else:
        console.print(render.status_table(found, console.width), soft_wrap=True)
        _show_skipped({one.resource: one.skipped for one in found if one.skipped})
    for subscriber in sns.email_subscribers(environment.aws, environment.names.topic_arn):
        if not subscriber.confirmed:
            errors.print(f"{subscriber.address}: {sns.HOW_TO_CONFIRM}", soft_wrap=True, markup=False)
    if not all(one.as_declared for one in found):
        raise typer.Exit(EXIT_CHECK_FAILED)


@app.command()
def down(
    *,
    profile: ProfileOption = DEFAULT_PROFILE,
    prefix: PrefixOption = "",
    bucket: BucketOption = None,
    as_json: JsonOption = False,
    yes: YesOption = False,
    account: AccountOption = None,
    keep_data: Annotated[bool, typer.Option("--keep-data", help="Keep the bucket.")] = False,
) -> None:
    """Remove this environment with its data and logs. Exit code 1: resources that stockpipe didn't create are left.

    The manifests of what was sent and the caches on this machine are kept.
    """
    kept = folders.kept_in_words()
    # Only names matter here: an email subscription, the one optional resource, goes with its topic.
    environment = open_environment(profile, prefix, bucket)
    settings = Settings(environment.pipeline.settings())
    confirmed = _ask_on_aws(
        environment, yes, account, lambda: deployment.plan_removal(environment, settings, keep_data=keep_data)
    )
    with Progress(errors) as progress:
        if confirmed:
            report = deployment.apply(environment, confirmed, progress)
        else:
            report = deployment.down(environment, settings, progress, keep_data=keep_data)
    _show_report(report, as_json, nothing=NOTHING_TO_REMOVE)
    if any(action.resource.startswith(f"{Queue.kind} ") for action in report.actions):
        errors.print(f"AWS lets queues of these names be made again after {DELETED_RECENTLY_SECONDS} s; `up` waits.")
    errors.print(f"kept on this machine: {kept}", soft_wrap=True, markup=False)
    if any(reason != KEPT for reason in report.left.values()):
        raise typer.Exit(EXIT_CHECK_FAILED)


@app.command("diff")
@with_settings
def diff(
    *,
    settings: Settings,
    profiles: Annotated[list[str], typer.Option("--profile", help="Give it twice: the two to compare.")],
    prefix: PrefixOption = "",
    bucket: BucketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two live environments, for example an emulator's with AWS's. Exit code 1: they differ."""
    if len(profiles) != 2:
        raise CannotRunError("diff compares two environments: stockpipe diff --profile A --profile B")
    left, right = (open_environment(profile, prefix, bucket) for profile in profiles)
    found = compare(left, right, settings)
    if as_json:
        print_json(render.deviations_json(found))
    elif found:
        console.print(render.deviations_table(found, profiles))
    else:
        console.print(f"no difference between {profiles[0]} and {profiles[1]}")
    if found:
        raise typer.Exit(EXIT_CHECK_FAILED)


def _ask_on_aws(environment: Environment, yes: bool, account: str | None, make_plan: Callable[[], Plan]) -> Plan | None:
    """Nothing on AWS is changed unless a person has seen what, or a script has named the account.

    Returns the plan that was seen and confirmed; None where nobody was asked.
    """
    aws = environment.aws
    if account is not None and account != aws.account:
        raise CannotRunError(f"--account {account}, but profile {aws.profile.name} is account {aws.account}")
    if not aws.profile.asks_before_changes or (yes and account):
        return None
    if yes:
        raise CannotRunError(f"--yes on AWS needs the account as well: --yes --account {aws.account}")
    _show_target(aws)
    found = make_plan()
    _show_plan(found)
    if found.changes and not _confirmed(f"Change account {aws.account}?"):
        raise CannotRunError(f"nothing was changed; scripts name the account: --yes --account {aws.account}")
    return found


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:  # Ctrl-C, or nobody is there to answer
        return False


def _show_target(aws: Aws) -> None:
    errors.print(f"AWS account [bold]{aws.account}[/], region [bold]{aws.region}[/], profile {aws.profile.name}")


def _show_plan(found: Plan, nothing: str = NO_CHANGE) -> None:
    console.print(render.plan_table(found))
    console.print(f"{len(found.changes)} to change" if found.changes else nothing)


def _show_skipped(skipped: Mapping[str, str]) -> None:
    for line in render.skip_lines(skipped):
        errors.print(line, soft_wrap=True, markup=False)


def _show_report(report: Report, as_json: bool, nothing: str | None = None) -> None:
    if as_json:
        print_json(render.report_json(report))
        return
    for resource, reason in report.left.items():
        errors.print(f"left: {resource}: {reason}", soft_wrap=True, markup=False)
    _show_skipped(report.skipped)
    console.print(nothing if nothing and not report.changed else render.summary(report))
