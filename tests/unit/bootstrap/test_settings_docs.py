"""docs/settings.md says what the code says."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from bootstrap.settings import Settings
from runtime.settings import settings_of
from terminal.commands import variable_of
from tests.support.command_line import stockpipe
from tests.support.environments import STOCKS

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"
OWNERS: tuple[type[Any], ...] = (STOCKS.settings, Settings)


def table() -> Iterator[str]:
    """The lines of the table, as they follow from the settings."""
    yield "| option | default | values | what it is | variable of the function | AWS |"
    yield "|---|---|---|---|---|---|"
    for owner in OWNERS:
        defaults = {one.name: one.default for one in fields(owner)}
        for name, about in settings_of(owner).items():
            default = "" if defaults[name] is None else f"`{defaults[name]}`"
            variable = f"`{about.variable}`" if about.variable else ""
            page = f"[page]({about.page})" if about.page else ""
            cells = [f"`{about.flag}`", default, about.range_in_words, about.help, variable, page]
            yield f"| {' | '.join(cells)} |"


def test_the_table_is_made_from_the_settings() -> None:
    shown = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert shown == list(table()), "put these lines into docs/settings.md:\n" + "\n".join(table())


def test_every_setting_is_an_option_with_its_variable_and_its_values() -> None:
    shown = stockpipe("up", "--help").stdout
    for owner in OWNERS:
        for about in settings_of(owner).values():
            (line,) = (line for line in shown.splitlines() if line.strip().startswith(f"{about.flag} "))
            assert f"{about.help}" in line
            assert f"[env var: {variable_of(about.flag)}]" in line
            assert about.range_in_words in line
