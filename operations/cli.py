"""The operator's commands, put together."""

import typer

from operations.commands import alerts, dlq, doctor, logs, reconcile, trace

app = typer.Typer()
for _command in (reconcile, alerts, logs, trace, doctor):
    app.add_typer(_command.app)
app.add_typer(dlq.app, name="dlq")
