"""What a person sees while the producer runs: a progress bar in a terminal, plain lines now and then elsewhere."""

import threading
import time

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

import terminal
from producer.production import Production

_REFRESH_SECONDS = 0.1
_PLAIN_LINE_SECONDS = 5.0


def watch(production: Production) -> None:
    """Run a production in a thread of its own and show how it goes, on standard error. Raises what the run raises."""
    problem: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            production.run()
        except BaseException as error:
            problem.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=work, name="production", daemon=True)
    thread.start()
    if terminal.errors.is_terminal:
        _bar(production, done)
    else:
        _lines(production, done)
    thread.join()
    if problem:
        raise problem[0]


def _bar(production: Production, done: threading.Event) -> None:
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
        while not done.wait(_REFRESH_SECONDS):
            progress.update(
                task,
                completed=production.skipped + production.sent,
                description="finishing (Ctrl-C again ends at once)" if production.stop.is_set() else "sending",
                rate=_rate(production),
            )


def _lines(production: Production, done: threading.Event) -> None:
    said, stopping = time.monotonic(), False
    while not done.wait(_REFRESH_SECONDS):
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
