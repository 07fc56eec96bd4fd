"""What AWS would reject is rejected here first: offline, before any call.

Emulators accept much that AWS refuses. Each violation names the value, the answer that AWS would give, and the page
where it is documented. Settings say their ranges (`bootstrap.settings`, the pipeline's), resources what else AWS asks.
"""

from collections.abc import Iterator, Sequence

from bootstrap.model import Violation
from bootstrap.resource import Resource
from bootstrap.settings import Settings
from profiles.errors import CannotRunError
from runtime.settings import settings_of

_DEFAULT_PAGE = "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"


class InvalidDeclarationError(CannotRunError):
    """AWS would not accept this declaration. One line for each violation."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__(*violations)
        self.violations = violations


def check(settings: Settings, resources: Sequence[Resource]) -> None:
    """Raise `InvalidDeclarationError` if AWS would reject these resources, which were declared with these settings."""
    if found := violations(settings, resources):
        raise InvalidDeclarationError(found)


def violations(settings: Settings, resources: Sequence[Resource]) -> tuple[Violation, ...]:
    """All rules that these settings and resources break."""
    return (*_ranges(settings), *(found for resource in resources for found in resource.violations()))


def _ranges(settings: Settings) -> Iterator[Violation]:
    for owner in (settings, settings.function):
        for field, about in settings_of(owner).items():
            value = getattr(owner, field)
            if not about.allows(value):
                name = about.flag.removeprefix("--").replace("-", " ")
                refusal = f"ValidationException: Value '{value}' failed to satisfy constraint: {about.range_in_words}"
                page = about.page or _DEFAULT_PAGE
                yield Violation(f"{name} is {about.range_in_words}", str(value), about.aws_says or refusal, page)
