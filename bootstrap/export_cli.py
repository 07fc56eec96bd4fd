"""`stockpipe export …`: the declaration in other tools' forms."""

from pathlib import Path
from typing import Annotated

import typer

from bootstrap import cloudformation
from bootstrap.admin_policy import admin_policy
from bootstrap.deployment import checked
from bootstrap.function_zip import build_function_zip
from bootstrap.options import EMULATED_ACCOUNT, names_for, with_settings
from bootstrap.settings import Settings
from profiles.errors import CannotRunError
from profiles.pipeline import load
from terminal import DEFAULT_PROFILE, BucketOption, PrefixOption, ProfileOption, errors, open_environment, print_json

app = typer.Typer(no_args_is_help=True, help="Hand the declaration over to other tools.")

AccountOption = Annotated[
    str | None, typer.Option("--account", help="The account id to write it for; then no endpoint is asked.")
]


@app.command("cloudformation")
@with_settings
def cloudformation_command(
    *,
    settings: Settings,
    prefix: PrefixOption = "",
    bucket: BucketOption = None,
) -> None:
    """Print the declaration as a CloudFormation template. Asks no endpoint; the account is left open."""
    pipeline = load()
    names = names_for(pipeline, EMULATED_ACCOUNT, prefix, bucket)
    checked(pipeline, names, settings)
    typer.echo(cloudformation.to_json(cloudformation.template(pipeline, names, settings)), nl=False)


@app.command("admin-policy")
def admin_policy_command(
    *,
    profile: ProfileOption = DEFAULT_PROFILE,
    prefix: PrefixOption = "",
    bucket: BucketOption = None,
    account: AccountOption = None,
) -> None:
    """Print the IAM policy that plan, up, status and down need for this environment, and nothing else."""
    pipeline = load()
    if account is None:
        names = open_environment(profile, prefix, bucket).names
    else:
        names = names_for(pipeline, account, prefix, bucket)
    print_json(admin_policy(pipeline, names))


@app.command("function-zip")
def function_zip_command(
    *, out: Annotated[Path, typer.Argument(help="The file to write; an existing one is replaced.")]
) -> None:
    """Write the function's deployment package, as `up` would upload it: the same bytes on every machine."""
    code = build_function_zip(load())
    try:
        out.write_bytes(code.content)
    except OSError as error:
        raise CannotRunError(f"{out} could not be written: {error.strerror}") from error
    errors.print(f"{out}: {len(code.content):,} bytes, CodeSha256 {code.code_sha256}", soft_wrap=True, markup=False)
