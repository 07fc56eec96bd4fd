"""The one exception that a command turns into exit code 2."""


class CannotRunError(Exception):
    """Something can't be done. Its text is one line: what was tried, what was answered, what to do next."""
