"""From settings to every resource of an environment: the pipeline's one declaration, the same for every endpoint."""

from bootstrap.function_zip import FunctionZip, build_function_zip
from bootstrap.model import Resource
from bootstrap.settings import Settings
from profiles.names import Names
from profiles.pipeline import Pipeline


def declare(
    pipeline: Pipeline, names: Names, settings: Settings, code: FunctionZip | None = None
) -> tuple[Resource, ...]:
    """Every resource, with those that others need before them. `code` defaults to the package of the sources here."""
    declared: tuple[Resource, ...] = pipeline.module("declaration").declare(
        names, settings, code or build_function_zip(pipeline)
    )
    return declared
