"""From settings to every resource of the environment: the one declaration, the same for every endpoint."""

from bootstrap.function_zip import FunctionZip, build_function_zip
from bootstrap.model import Resource, id_of
from bootstrap.resources import athena, cloudwatch, event_source_mapping, iam, lambda_function, logs, s3, sns, sqs
from bootstrap.settings import Settings


def declare(settings: Settings, code: FunctionZip | None = None) -> tuple[Resource, ...]:
    """Every resource, with those that others need before them. `code` defaults to the package of the sources here."""
    resources = (
        *sqs.declare(settings),
        *sns.declare(settings),
        *s3.declare(settings),
        *athena.declare(settings),
        *iam.declare(settings),
        *logs.declare(settings),
        *lambda_function.declare(settings, code or build_function_zip()),
    )
    everything = tuple(id_of(resource) for resource in resources)
    alarms = cloudwatch.declare(settings)
    return *resources, *alarms, *event_source_mapping.declare(settings, after=everything)
