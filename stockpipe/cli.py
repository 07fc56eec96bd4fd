"""Which commands are there? Each room has its own; here they become one command line, by what a user wants to do."""

from importlib.metadata import version

from terminal.commands import add_lazily, command_line, run

app = command_line(
    "stockpipe",
    "A stock-tick pipeline on AWS (SQS → Lambda → S3 + SNS) that runs on this machine with no account.\n\n"
    "Start with `stockpipe demo`. Every command takes --profile: 'local' is the emulator, any other is a profile of "
    "your AWS configuration.\n\n"
    "A first session:\n\n"
    "    stockpipe emulator start                start an emulator\n"
    "    stockpipe up                            create the resources\n"
    "    stockpipe produce --duration 30         send simulated records\n"
    "    stockpipe reconcile                     prove that nothing was lost\n"
    "    stockpipe query --list                  look at the records in SQL\n"
    "    stockpipe down                          remove the resources",
    version=lambda: f"stockpipe {version('stockpipe')}",
    version_flags="--version",
)
app.register_install_completion_command(help="Make your shell complete commands and options.", group="Options")
app["--version"].group = "Options"
add_lazily(
    app,
    {
        "Start here": {
            "demo": "stockpipe.demo:demo",
            "emulator": "emulator.cli:app",
            "doctor": "operations.commands.doctor:doctor",
        },
        "Deploy": {
            "plan": "bootstrap.cli:plan",
            "up": "bootstrap.cli:up",
            "status": "bootstrap.cli:status",
            "diff": "bootstrap.cli:diff",
            "down": "bootstrap.cli:down",
            "export": "bootstrap.export_cli:app",
        },
        "Send": {"produce": "producer.cli:produce"},
        "Watch and check": {
            "console": "console.cli:console",
            "reconcile": "operations.commands.reconcile:reconcile",
            "alerts": "operations.commands.alerts:alerts",
            "trace": "operations.commands.trace:trace",
            "logs": "operations.commands.logs:logs",
        },
        "Query": {"query": "analytics.cli:query", "compact": "analytics.cli:compact"},
        "Repair": {"dlq": "operations.commands.dlq:app"},
    },
)


def main() -> None:
    """The `stockpipe` command."""
    run(app)
