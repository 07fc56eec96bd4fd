"""`stockpipe demo`: the whole pipeline, started, played, shown, proven and stopped by one command."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from rich.live import Live
from rich.text import Text

import bootstrap
from analytics import run_query
from analytics.chart import as_chart
from analytics.render import as_table
from analytics.statements import named_queries
from bootstrap.progress import Progress
from bootstrap.render import summary
from bootstrap.settings import Settings
from console.model import Sources
from console.refresher import Refresher
from emulator import lifecycle
from emulator.engine import DEFAULT_PORT, Capability
from emulator.engines import ENGINES, engine_named, with_capability
from emulator.identity import identify
from operations.reconcile import reconcile
from producer.production import Production, simulated
from producer.source import simulate
from profiles.environment import Environment
from profiles.errors import CannotRunError
from profiles.session import open_profile
from runtime.clock import Clock, to_epoch_ms
from stockpipe.demo_view import PLAIN_EVERY_SECONDS, Moment, live, plain, show_results
from terminal import console, errors, progress, stopped_by_signals
from terminal.commands import number, option
from terminal.environment import HERE, Where

_FRAMES_PER_SECOND = 5
_READ_EVERY_SECONDS = 0.4
_DRAIN_SECONDS = 20.0  # how long the live view waits for the last records; reconcile waits longer
_RECONCILE_SECONDS = 120.0


def demo(
    *,
    where: Where = HERE,
    seconds: Annotated[float, number(least=1)] = 30,
    rate: Annotated[float | None, number(least=0.1)] = None,
    seed: Annotated[int | None, number()] = None,
    engine: Annotated[
        str | None,
        option(
            "--engine",
            help=f"Engine to start where none answers: {' or '.join(ENGINES)}. Default: {lifecycle.DEFAULT_ENGINE}, "
            f"or {with_capability(Capability.ANY_PYTHON)[0]} where {lifecycle.DEFAULT_ENGINE} can't be had.",
        ),
    ] = None,
    keep: bool = False,
) -> bool:
    """Show the whole pipeline at work: no account, no Docker, no network.

    Starts an emulator if none answers, creates every resource, sends simulated records with live figures, shows the
    alerts and the records, proves that nothing was lost, and stops what it started.

    Args:
        seconds: Seconds of simulated records.
        rate: Records per second. Default: the simulation's own.
        seed: The same seed simulates the same; default: a new one.
        keep: Leave the engine and the resources for you to look at.
    """
    began = time.monotonic()
    with ExitStack() as cleanup:
        started_here = _ensure_engine(where.profile, engine, cleanup, keep=keep)
        environment = where.open()
        settings = Settings(environment.pipeline.settings())
        _step("Creating the resources")
        found = not started_here and any(one.exists for one in bootstrap.status(environment, settings))
        if not (keep or started_here or found):
            cleanup.callback(_take_down, environment, settings)
        with Progress(errors) as shown:
            report = bootstrap.up(environment, settings, shown)
        console.print(f"  {summary(report)}", soft_wrap=True)
        production = _play(environment, seconds, rate, seed, began)
        holds = True
        if production.sent:
            holds = _prove(environment, production)
        else:
            console.print(f"No {environment.contract.noun} was sent: there is nothing to prove.")
        if keep:
            _say_what_is_left(environment, production)
    return holds


def _prove(environment: Environment, production: Production) -> bool:
    """Show whether everything that was sent is stored."""
    console.print()
    with progress() as observer:
        result = reconcile(environment, [production.manifest], wait_seconds=_RECONCILE_SECONDS, observer=observer)
    console.print(result.line, style="bold green" if result.holds else "bold red", soft_wrap=True)
    return result.holds


def _ensure_engine(profile: str, wanted: str | None, cleanup: ExitStack, *, keep: bool) -> bool:
    """Make sure that an emulator answers at the profile's endpoint; True if it was started here."""
    endpoint = open_profile(profile).profile.endpoint_url
    if endpoint is None:
        raise CannotRunError(
            f"profile {profile} is AWS, and the demo is for emulators. On AWS use: stockpipe --help, up, produce, down"
        )
    found = identify(endpoint)
    if found:
        console.print(f"[bold]{found}[/] answers at {endpoint}: using it", soft_wrap=True)
        return False
    url = urlsplit(endpoint)
    if url.hostname not in ("localhost", "127.0.0.1") or url.scheme != "http":
        raise CannotRunError(
            f"nothing answers at {endpoint}, and only http on this machine's loopback can be started here"
        )
    name = _choose_engine(wanted)
    _step(f"Starting {engine_named(name).full_title}")
    with progress() as observer:
        running = lifecycle.start(name, url.port or DEFAULT_PORT, observer=observer)
    console.print(f"  ready at {running.endpoint_url}", soft_wrap=True)
    if running.already_running:  # it was too busy to answer when it was asked
        return False
    if not keep:
        cleanup.callback(_stop_engine, running.port)
    return True


def _choose_engine(wanted: str | None) -> str:
    """The engine asked for; else the default, or the first that runs on any Python where the default can't be had."""
    if wanted:
        return engine_named(wanted).name
    with progress() as observer:
        reason = lifecycle.available(lifecycle.DEFAULT_ENGINE, observer=observer)
    if reason is None:
        return lifecycle.DEFAULT_ENGINE
    console.print(f"[yellow]note:[/] {reason}", soft_wrap=True)
    fallback = with_capability(Capability.ANY_PYTHON)[0]
    console.print(f"  so this demo runs on {fallback}", soft_wrap=True)
    return fallback


def _play(environment: Environment, seconds: float, rate: float | None, seed: int | None, began: float) -> Production:
    """Send simulated records for `seconds`, and show what comes of it; Ctrl-C ends that early."""
    start = datetime.now(UTC)
    since_ms = to_epoch_ms(start)
    seed = seed if seed is not None else since_ms // 1000
    simulation = simulate(environment.pipeline, seed=seed, start=start, rate=rate)
    production = Production(environment, simulated(simulation, count=round(seconds * simulation.rate)))
    refresher = Refresher(Sources(environment, Clock(), since_ms=since_ms), interval=_READ_EVERY_SECONDS)
    model, contract = refresher.model, environment.contract
    while model.objects is None and not model.trouble:  # what was there before
        refresher.take(refresher.read())
    model.put(objects_before=model.objects or 0)
    model.forget_rates()
    first_stored: float | None = None
    opened = read_at = time.monotonic()

    def now() -> Moment:
        return Moment(model, time.monotonic() - opened, seconds, production.sent, production.failed)

    with (
        stopped_by_signals(production.stop),
        ThreadPoolExecutor(2, "demo") as pool,
        _display(environment) as show,
    ):
        _step(f"Simulated {contract.plural} for {seconds:g} s, seed {simulation.seed} (Ctrl-C ends it early)")
        run = pool.submit(production.run)
        reading = pool.submit(refresher.read)
        # It goes on until what was sent is stored, so that the last figures shown are final ones.
        while not run.done() or (
            (model.stored or 0) < production.sent and not model.trouble and now().seconds < seconds + _DRAIN_SECONDS
        ):
            time.sleep(1 / _FRAMES_PER_SECOND)
            if reading.done() and time.monotonic() - read_at >= _READ_EVERY_SECONDS:
                refresher.take(reading.result())
                reading, read_at = pool.submit(refresher.read), time.monotonic()
            if model.stored and first_stored is None:
                first_stored = time.monotonic() - began
            show(now())
        run.result()
        refresher.take(reading.result())
    if first_stored is not None:
        console.print(
            f"  the first {contract.noun} was stored {first_stored:.1f} s after the command began", style="dim"
        )
    refresher.hurry()
    refresher.take(refresher.read())
    if model.trouble:
        errors.print(f"the figures could not be read: {model.trouble.text}", soft_wrap=True, markup=False)
    elif production.sent:
        show_results(console, environment, model)
    if production.sent:
        _ask_history(environment)
    return production


def _ask_history(environment: Environment) -> None:
    """What the pipeline's queries say to a demo, by the offline engine: emulators' Athenas differ, or are missing."""
    queries = [query for query in named_queries(environment.pipeline).values() if query.demo]
    queries.sort(key=lambda query: query.demo == "chart")
    if queries:
        _step(f"The same records in SQL: {', '.join(f'stockpipe query {query.name}' for query in queries)}")
    for query in queries:
        result = run_query(environment, query.name, "duckdb")
        if query.demo == "table":
            console.print(as_table(result))
        elif len(result.rows) > 1:
            group, width = environment.contract.record.GROUP, min(console.width, 100)
            drawn = as_chart(result, group=group, width=width, height=14, colour=console.is_terminal)
            console.print(Text.from_ansi(drawn), soft_wrap=True)


@contextmanager
def _display(environment: Environment) -> Iterator[Callable[[Moment], None]]:
    """A live view where a person looks at a terminal; elsewhere a plain line now and then."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as view:
            yield lambda moment: view.update(live(environment, moment, console.width), refresh=True)
        return
    printed = 0.0

    def print_now_and_then(moment: Moment) -> None:
        nonlocal printed
        if moment.seconds - printed >= PLAIN_EVERY_SECONDS:
            printed = moment.seconds
            console.print(f"  {plain(moment)}", soft_wrap=True)

    yield print_now_and_then


def _step(text: str) -> None:
    console.print(f"[bold cyan]▸[/] {text}", soft_wrap=True)


def _stop_engine(port: int) -> None:
    try:
        with progress() as observer:
            lifecycle.stop(port, observer)  # returns when it has made sure that nothing is left
    except (KeyboardInterrupt, SystemExit):
        console.print(f"The engine may still run. Stop it with: stockpipe emulator stop --port {port}", soft_wrap=True)
        raise
    console.print("Stopped the engine: nothing is left running.")


def _take_down(environment: Environment, settings: Settings) -> None:
    with Progress(errors) as shown:
        bootstrap.down(environment, settings, shown)
    console.print("Removed the resources that the demo created; the engine goes on.")


def _say_what_is_left(environment: Environment, production: Production) -> None:
    endpoint = environment.aws.profile.endpoint_url
    console.print(
        f"\nLeft for you at {endpoint}: look around with awslocal or aws --endpoint-url {endpoint}, send more with "
        f"stockpipe produce, remove the resources with stockpipe down, stop the engine with stockpipe emulator stop.\n"
        f"Manifest of this run: {production.manifest}",
        soft_wrap=True,
    )
