"""What a person sees while the producer runs: a progress bar in a terminal, plain lines now and then elsewhere."""

import threading
import time
from concurrent.futures import Future, wait

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

import terminal
from producer.production import Production

_REFRESH_SECONDS = 0.1
_PLAIN_LINE_SECONDS = 5.0


def watch(production: Production) -> None:
    """Run a production in a thread of its own and show how it goes, on standard error. Raises what the run raises."""
    running: Future[None] = Future()

    def work() -> None:
        try:
            production.run()
            running.set_result(None)
        except BaseException as error:
            running.set_exception(error)

    threading.Thread(target=work, name="production", daemon=True).start()
    show = _bar if terminal.errors.is_terminal else _lines
    show(production, running)
    running.result()


def _bar(production: Production, running: Future[None]) -> None:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=terminal.errors, transient=True) as progress:
        task = progress.add_task("sending", total=production.source.total, rate="")
        while not wait([running], _REFRESH_SECONDS).done:
            progress.update(
                task,
                completed=production.skipped + production.sent,
                description="finishing (Ctrl-C again ends at once)" if production.stop.is_set() else "sending",
                rate=_rate(production),
            )


def _lines(production: Production, running: Future[None]) -> None:
    said, stopping = time.monotonic(), False
    while not wait([running], _REFRESH_SECONDS).done:
        if production.stop.is_set() and not stopping:
            stopping = True
            terminal.errors.print("stopping: waiting for the last answers; Ctrl-C again ends at once")
        if time.monotonic() - said >= _PLAIN_LINE_SECONDS:
            said = time.monotonic()
            total = f" of {production.source.total:,}" if production.source.total is not None else ""
            terminal.errors.print(
                f"sent {production.sent:,}{total} ({_rate(production)}), failed {production.failed:,}"
            )


def _rate(production: Production) -> str:
    seconds = production.seconds
    return f"{production.sent / seconds:,.1f}/s" if seconds else ""
