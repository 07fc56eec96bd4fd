"""Environments of the stock-tick pipeline, for tests."""

from typing import Any

from bootstrap.declaration import declare
from bootstrap.policies import PolicyDocument
from bootstrap.resources.iam import Role
from bootstrap.settings import Settings
from profiles.environment import Environment
from profiles.names import Names
from profiles.pipeline import Pipeline, load
from profiles.session import Aws

STOCKS = load()


def stock_names(account: str, prefix: str = "", bucket_override: str | None = None) -> Names:
    """The names of the stock-tick pipeline's resources."""
    return Names(STOCKS.names, account, prefix, bucket_override)


def at(aws: Aws, names: Names) -> Environment:
    """An environment of the stock-tick pipeline."""
    return Environment(STOCKS, aws, names)


def stock_settings(**given: Any) -> Settings:
    """Settings of the stock-tick pipeline; those of the function are given by their names, too."""
    own = {name: given.pop(name) for name in list(given) if name in STOCKS.settings.__dataclass_fields__}
    return Settings(function=STOCKS.settings(**own), **given)


def role_permissions(pipeline: Pipeline, names: Names) -> PolicyDocument:
    """The declared policy of the function's role."""
    declared = declare(pipeline, names, Settings(pipeline.settings()))
    return next(one.document for one in declared if isinstance(one, Role) and one.name == names.role)
