"""Which environment is a command about? Its options, and how it is opened."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

import terminal
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.pipeline import Pipeline, load
from profiles.session import BUILT_IN_PROFILE, open_profile
from terminal.commands import PIPELINE, option


@Parameter(name="*", group="Environment")
@dataclass(frozen=True, kw_only=True)
class Naming:
    """The pipeline, and what its resources are called."""

    prefix: Annotated[str, option("--prefix")] = ""
    """Prefix before every resource name, so that several environments share one account."""
    bucket: Annotated[str | None, option("--bucket")] = None
    """Bucket name; default: <name in the pipeline>-<account>-us-east-2."""
    pipeline: Annotated[str | None, option("--pipeline")] = None
    """Folder of the pipeline; default: the stock-tick example."""

    def names(self, account: str) -> Names:
        """The names in an account that nobody is asked about. Raises `CannotRunError` for an impossible prefix."""
        try:
            return Names(load(self.pipeline).names, account, self.prefix, self.bucket)
        except ValueError as error:
            raise CannotRunError(str(error)) from error

    def at(self, profile: str) -> Environment:
        """The environment of a profile. Asks STS for the account id. Raises `CannotRunError`."""
        pipeline, aws = load(self.pipeline), open_profile(profile)
        if aws.profile.remark:
            terminal.note(aws.profile.remark)
        return Environment(pipeline, aws, self.names(aws.account))


@Parameter(name="*", group="Environment")
@dataclass(frozen=True, kw_only=True)
class Where(Naming):
    """The environment that a command is about."""

    profile: Annotated[str, option("--profile")] = BUILT_IN_PROFILE
    """AWS profile. 'local' is built in: always an emulator, at localhost:4566 or AWS_ENDPOINT_URL."""

    def open(self) -> Environment:
        """The environment. Raises `CannotRunError`."""
        return self.at(self.profile)


HERE = Where()  # the default of every command's `where`


def named_pipeline() -> Pipeline:
    """The pipeline of the command that is run, for its options. Raises `CannotRunError`."""
    return load(PIPELINE.get())
