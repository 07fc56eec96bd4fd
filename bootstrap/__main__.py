"""`python -m bootstrap plan|up|status|diff|down|export`."""

from terminal.commands import add_lazily, command_line, run

app = command_line("python -m bootstrap", "Create, inspect and remove the AWS resources of the pipeline.")
commands = {name: f"bootstrap.cli:{name}" for name in ("plan", "up", "status", "diff", "down")}
add_lazily(app, {"Deploy": {**commands, "export": "bootstrap.export_cli:app"}})
run(app)
