"""The exceptions that a command turns into exit code 2."""


class CannotRunError(Exception):
    """Something can't be done. Its text is one line: what was tried, what was answered, what to do next."""

    def __init__(self, text: str) -> None:
        # Parts of the text may come from elsewhere, such as AWS or another program's standard error.
        line = " ".join(line.strip() for line in text.splitlines() if line.strip())
        shown = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
        super().__init__("".join(shown))


class ProfileError(CannotRunError):
    """The profile can't be used. One line that says why and what to do."""
