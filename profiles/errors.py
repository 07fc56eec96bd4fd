"""The exceptions that a command turns into exit code 2."""


def one_line(text: str) -> str:
    """The text on one line, with characters escaped that a terminal would obey: part of it may come from elsewhere."""
    line = " ".join(line.strip() for line in text.splitlines() if line.strip())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


class CannotRunError(Exception):
    """Something can't be done. Its text is one line: what was tried, what was answered, what to do next."""


class ProfileError(CannotRunError):
    """The profile can't be used. One line that says why and what to do."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))
