"""Hand the declaration over to other tools: a CloudFormation template, the policy that `up` needs, the function's zip.

For example:

    stockpipe export cloudformation > template.json
    stockpipe export admin-policy --account 123456789012
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bootstrap import cloudformation
from bootstrap.admin_policy import admin_policy
from bootstrap.deployment import checked
from bootstrap.function_zip import build_function_zip
from bootstrap.options import EMULATED_ACCOUNT, with_settings
from bootstrap.settings import Settings
from profiles.errors import CannotRunError
from profiles.pipeline import load
from terminal import note, print_json, write
from terminal.commands import command_line
from terminal.environment import HERE, Naming, Where

app = command_line("export", __doc__)


@app.command(name="cloudformation")
@with_settings
def cloudformation_command(*, settings: Settings, which: Naming = HERE) -> None:
    """Print the declaration as a CloudFormation template. Asks no endpoint; the account is left open."""
    pipeline, names = load(which.pipeline), which.names(EMULATED_ACCOUNT)
    checked(pipeline, names, settings)
    write(cloudformation.to_json(cloudformation.template(pipeline, names, settings)).rstrip("\n"))


@app.command(name="admin-policy")
def admin_policy_command(*, where: Where = HERE, account: str | None = None) -> None:
    """Print the IAM policy that plan, up, status and down need for this environment, and nothing else.

    Args:
        account: The account id to write it for; then no endpoint is asked.
    """
    names = where.names(account) if account else where.open().names
    print_json(admin_policy(load(where.pipeline), names))


@app.command(name="function-zip")
def function_zip_command(out: Annotated[Path, Parameter(name="OUT")], /, *, which: Naming = HERE) -> None:
    """Write the function's deployment package, as `up` would upload it: the same bytes on every machine.

    Args:
        out: The file to write; an existing one is replaced.
    """
    code = build_function_zip(load(which.pipeline))
    try:
        out.write_bytes(code.content)
    except OSError as error:
        raise CannotRunError(f"{out} could not be written: {error.strerror}") from error
    note(f"{out}: {len(code.content):,} bytes, CodeSha256 {code.code_sha256}")
