"""From settings to every resource of an environment: the pipeline's one declaration, the same for every endpoint."""

from dataclasses import replace

from bootstrap.function_zip import FunctionZip, build_function_zip
from bootstrap.resource import Resource
from bootstrap.resources.event_source_mapping import EventSourceMapping
from bootstrap.settings import Settings
from profiles.errors import CannotRunError
from profiles.names import Names
from profiles.pipeline import Pipeline


def declare(
    pipeline: Pipeline, names: Names, settings: Settings, code: FunctionZip | None = None
) -> tuple[Resource, ...]:
    """Every resource, as the pipeline lists them. `code` defaults to the package of the sources here.

    Raises `CannotRunError` if a resource is declared twice, or needs one that isn't declared.
    """
    listed: tuple[Resource, ...] = pipeline.module("declaration").declare(
        names, settings, code or build_function_zip(pipeline)
    )
    ids = [one.id for one in listed]
    for one in listed:
        if ids.count(one.id) > 1:
            raise CannotRunError(f"{pipeline.folder / 'declaration.py'} declares {one.id} twice")
        for other in one.after:
            if other not in ids:
                raise CannotRunError(f"{pipeline.folder / 'declaration.py'}: {one.id} needs {other}: declare it too")
    others = tuple(one for one in listed if not isinstance(one, EventSourceMapping))
    return tuple(replace(one, others=others) if isinstance(one, EventSourceMapping) else one for one in listed)
