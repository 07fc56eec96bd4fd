"""The exceptions that a command turns into exit code 2."""


class CannotRunError(Exception):
    """Something can't be done. The message says what was tried, what was answered and what to do next.

    Each argument is one line, whatever it quotes; nearly always there is only one.
    """

    def __str__(self) -> str:
        return "\n".join(" ".join(filter(None, map(str.strip, str(one).split("\n")))) for one in self.args)


class ProfileError(CannotRunError):
    """The profile can't be used."""
